//! The rows and the per-candidate evidence of an export, written group after group: a group is what one instance's
//! candidates of one skill give.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

use super::card::facts::Tally;
use super::config_names::{PREFERENCE, RL, SFT};
use super::evidence;
use super::extra_columns::ExtraColumns;
use super::files::tables::{Table, Tables};
use super::options::ExportOptions;
use super::rows::{
    Attempts, SftRow, admission_imported, columns_of, lost_files, lost_tests, outside_suite, own_prompt, rl_row,
    said_channel, sft_row, test_files_run,
};
use super::seal::checks::{Group, Refusal, check_row, found_in_evidence, secret_in};
use super::seal::entries::Config;
use super::select::contamination::Contamination;
use super::select::pairs::Pairs;
use super::select::quarantine::Quarantine;
use super::select::{Entry, InstanceState};
use super::source::Source;
use super::views::files::ViewFiles;
use crate::language;
use crate::model::admission::Admission;
use crate::model::candidate::Candidate;
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::generation::{Generation, Message, Skill};
use crate::model::instance::Instance;
use crate::model::verdict::{Evidence, Verdict, VerdictStatus};
use crate::runner;
use crate::surrogates;

/// Writes group after group.
pub(super) struct GroupWriter<'a> {
    source: &'a dyn Source,
    options: &'a ExportOptions,
    tally: &'a mut Tally,
    skills: BTreeMap<Skill, Table>,
    rl: Table,
    preference: Option<Table>,
    views: ViewFiles,
    tasks: u64,
    quarantine: Quarantine,
    candidates: Table,
    verdicts: Table,
    receipts: Table,
}

impl<'a> GroupWriter<'a> {
    pub fn open(
        source: &'a dyn Source,
        extra: ExtraColumns,
        options: &'a ExportOptions,
        tables: &Tables<'_>,
        tally: &'a mut Tally,
    ) -> Result<Self> {
        let mut skills = BTreeMap::new();
        for skill in Skill::ALL {
            let columns = columns_of(SFT, extra);
            skills.insert(skill, tables.config(&format!("{SFT}-{skill}"), &columns, format::SFT_ROW)?);
        }
        Ok(Self {
            source,
            options,
            tally,
            skills,
            rl: tables.config(RL, &columns_of(RL, extra), format::RL_ROW)?,
            preference: if options.only_tasks || options.pairs == 0 {
                None
            } else {
                Some(tables.config(PREFERENCE, &columns_of(PREFERENCE, extra), format::PREFERENCE_ROW)?)
            },
            views: ViewFiles::open(&options.views, tables)?,
            tasks: 0,
            quarantine: Quarantine::default(),
            candidates: tables.evidence(evidence::CANDIDATES, format::CANDIDATE)?,
            verdicts: tables.evidence(evidence::VERDICTS, format::VERDICT)?,
            receipts: tables.evidence(evidence::RECEIPTS, format::RECEIPT)?,
        })
    }

    /// Writes what one instance's candidates of one skill give.
    pub fn group(
        &mut self,
        group: &[Entry],
        refusals: &[Option<String>],
        id: &str,
        state: &InstanceState,
    ) -> Result<()> {
        let admission = self.source.admission(id)?;
        let instance = &self.source.instance(id)?;
        let mut prompt = None;
        let mut checked = Group::default();
        let mut rows = 0;
        let mut pairs = Pairs::new(self.options.pairs);
        for (entry, refusal) in group.iter().zip(refusals) {
            let verdict = self.source.verdict(entry.position as usize)?;
            let candidate = self.source.candidate(&verdict.candidate_id)?;
            let mut left_out = refusal.clone().map(Refusal::plain);
            if left_out.is_none() && self.options.only_tasks {
                left_out = Some(Refusal::plain("only_tasks".to_owned()));
            }
            if left_out.is_none() && self.options.select.cap.is_some_and(|cap| rows >= cap) {
                left_out = Some(Refusal::plain("cap".to_owned()));
            }
            if left_out.is_none() {
                match self.sft_row((instance, admission.as_ref()), candidate.as_ref(), &verdict, &mut prompt)? {
                    Some(mut row) => {
                        left_out = check_row(&mut row, &mut checked, &self.options.checks)?;
                        if left_out.as_ref().is_some_and(|refusal| refusal.why == Contamination::Patch.name()) {
                            self.tally.benchmark_answer(&row.patch, &self.options.checks.benchmarks);
                        }
                        if left_out.is_none() {
                            rows += 1;
                            self.push(&row)?;
                            pairs.chosen(row);
                        }
                    }
                    None => left_out = Some(Refusal::plain("surrogate_escapes".to_owned())),
                }
            }
            if state.excluded.is_none() {
                let found = left_out.as_ref().and_then(|refusal| refusal.found);
                let scan = self.options.checks.scan && left_out.is_some();
                let found = found.or_else(|| found_in_evidence(&verdict, candidate.as_ref()).filter(|_| scan));
                match found {
                    Some(found) => self.quarantine.add(&verdict, found),
                    None => self.evidence(&verdict, candidate.as_ref())?,
                }
            }
            if let Some(refusal) = left_out {
                *self.tally.left_out.entry(refusal.why).or_default() += 1;
            }
            self.source.done();
        }
        if rows > 0 {
            self.pairs(group, instance, pairs, &mut prompt)?;
        }
        let admission = admission.filter(|_| state.usable);
        self.task(group, (instance, admission.as_ref()), state, prompt)
    }

    fn push(&mut self, row: &SftRow) -> Result<()> {
        self.tally.sft_row(row);
        self.views.sft(row)?;
        match self.skills.get_mut(&row.skill) {
            Some(table) => table.push(row),
            None => bail!("skill {} has no table; this is a bug of assay", row.skill),
        }
    }

    fn evidence(&mut self, verdict: &Verdict, candidate: Option<&Candidate>) -> Result<()> {
        self.verdicts.push(verdict)?;
        if let Some(candidate) = candidate {
            self.candidates.push(candidate)?;
        }
        if let Some(receipt) = self.source.receipt(&verdict.candidate_id)? {
            self.receipts.push(&receipt)?;
        }
        Ok(())
    }

    /// The row of a verified candidate; `None` if its answer cannot stand in a row as it was read.
    fn sft_row(
        &mut self,
        (instance, admission): (&Instance, Option<&Admission>),
        candidate: Option<&Candidate>,
        verdict: &Verdict,
        prompt: &mut Option<Vec<Message>>,
    ) -> Result<Option<SftRow>> {
        let id = &verdict.candidate_id;
        let Some(candidate) = candidate else {
            bail!("the verdict on candidate {id} has no candidate in the run; verify again to make it");
        };
        let receipt = self.source.receipt(id)?;
        if receipt.is_none_or(|receipt| receipt.digest() != verdict.receipt) {
            bail!(
                "the verdict on candidate {id} names receipt {}, which is not there; run `assay judge`",
                verdict.receipt
            );
        }
        let generation = self.generation(id)?;
        if holds_bytes(&generation)? {
            return Ok(None);
        }
        if own_prompt(&generation).is_none() && prompt.is_none() {
            *prompt = Some(self.prompt(instance, verdict.skill)?);
        }
        self.tally.sampling(generation.sampling.as_ref());
        let rendered = prompt.as_deref().unwrap_or_default();
        let row = sft_row(instance, &generation, candidate, verdict, rendered, self.options.reasoning);
        let channel = admission.and_then(|admission| said_channel(admission, verdict.skill));
        let lost_files = admission.map(lost_files).unwrap_or_default();
        let outside_suite = admission.map(outside_suite).unwrap_or_default();
        let lost_tests = admission.map(lost_tests).unwrap_or_default();
        let ordered_tests = admission.map(Admission::ordered).unwrap_or_default();
        let admission_imported = admission.and_then(admission_imported);
        let test_files_run = admission.and_then(test_files_run);
        Ok(Some(SftRow {
            lost_files,
            outside_suite,
            lost_tests,
            ordered_tests,
            channel,
            admission_imported,
            test_files_run,
            ..row
        }))
    }

    /// Writes pairs of the group's rows and its rejected answers.
    fn pairs(
        &mut self,
        group: &[Entry],
        instance: &Instance,
        mut pairs: Pairs,
        prompt: &mut Option<Vec<Message>>,
    ) -> Result<()> {
        let Some(preference) = &mut self.preference else { return Ok(()) };
        let rejected = |entry: &&Entry| {
            entry.status == VerdictStatus::Rejected && entry.reason.status() == entry.status && !entry.duplicate
        };
        for entry in group.iter().filter(rejected) {
            if pairs.is_full() {
                break;
            }
            let verdict = self.source.verdict(entry.position as usize)?;
            let id = &verdict.candidate_id;
            let generation = self.source.generation(id).with_context(|| format!("the generation of candidate {id}"))?;
            if holds_bytes(&generation)? {
                continue;
            }
            if own_prompt(&generation).is_none() && prompt.is_none() {
                let rendered = self.source.prompt(instance, verdict.skill);
                *prompt = Some(rendered.with_context(|| format!("the prompt of instance {}", instance.instance_id))?);
            }
            let rendered = prompt.as_deref().unwrap_or_default();
            if let Some(row) = pairs.rejected(&generation, rendered, &verdict, &self.options.checks) {
                preference.push(&row)?;
                self.views.preference(&row)?;
            }
        }
        Ok(())
    }

    fn generation(&self, id: &Digest) -> Result<Generation> {
        self.source.generation(id).with_context(|| format!("the generation of candidate {id}"))
    }

    fn prompt(&self, instance: &Instance, skill: Skill) -> Result<Vec<Message>> {
        let prompt = self.source.prompt(instance, skill);
        prompt.with_context(|| format!("the {skill} prompt of instance {}", instance.instance_id))
    }

    /// Writes the row of the RL config.
    fn task(
        &mut self,
        group: &[Entry],
        (instance, admission): (&Instance, Option<&Admission>),
        state: &InstanceState,
        prompt: Option<Vec<Message>>,
    ) -> Result<()> {
        let (attempts, skill) = (attempts(group), group[0].skill);
        if attempts.judged() == 0 {
            return Ok(());
        }
        let id = &instance.instance_id;
        let (Some(admission), None) = (admission, &state.excluded) else {
            let why = state.excluded.clone().unwrap_or_else(|| "not_admitted".to_owned());
            *self.tally.left_out_tasks.entry(why).or_default() += 1;
            return Ok(());
        };
        // No answer to such a task could ever be used, whatever it is.
        let read = runner::of(&admission.framework).is_some_and(|runner| language::of(runner).reader().is_some());
        if admission.bound(admission.channel, read, skill) == Some(Evidence::E0) {
            *self.tally.left_out_tasks.entry("evidence/E0".to_owned()).or_default() += 1;
            return Ok(());
        }
        let prompt = match prompt {
            Some(prompt) => prompt,
            None => self.prompt(instance, skill)?,
        };
        let secret = secret_in(prompt.iter().map(|message| &message.content));
        if let Some((finding, _)) = secret.filter(|_| self.options.checks.scan) {
            *self.tally.left_out_tasks.entry(finding.name().to_owned()).or_default() += 1;
            return Ok(());
        }
        let row = rl_row(instance, admission, skill, attempts, &prompt, self.tasks);
        self.rl.push(&row)?;
        self.views.rl(&row, instance, admission)?;
        self.tasks += 1;
        self.tally.task(id, attempts);
        Ok(())
    }

    pub fn close(self, tables: &mut Tables<'_>) -> Result<Quarantine> {
        let mut all = Config { row_format: format::SFT_ROW.to_owned(), ..Default::default() };
        for (skill, table) in self.skills {
            tables.close_config(table)?;
            if let Some(config) = tables.configs.get(&format!("{SFT}-{skill}")) {
                all.rows += config.rows;
                all.data_files.extend(config.data_files.iter().cloned());
            }
        }
        tables.configs.insert(SFT.to_owned(), all);
        tables.close_config(self.rl)?;
        if let Some(table) = self.preference {
            tables.close_config(table)?;
        }
        self.views.close(tables)?;
        for table in [self.candidates, self.verdicts, self.receipts] {
            tables.close_evidence(table)?;
        }
        Ok(self.quarantine)
    }
}

/// Whether an answer came with bytes that are not UTF-8. No table can hold them as they came.
fn holds_bytes(generation: &Generation) -> Result<bool> {
    Ok(surrogates::holds_bytes(&serde_json::to_string(generation).context("a generation is JSON")?))
}

/// Judged attempts. Duplicates are attempts too; inconclusive ones are not, nor is what was verified at E0.
fn attempts(group: &[Entry]) -> Attempts {
    let mut attempts = Attempts::default();
    for entry in group.iter().filter(|entry| entry.reason.status() == entry.status) {
        match entry.status.at(entry.evidence) {
            VerdictStatus::Verified => attempts.verified += 1,
            VerdictStatus::Rejected => attempts.rejected += 1,
            VerdictStatus::Inconclusive => {}
        }
    }
    attempts
}
