//! Which lines of the input repeat a sample: one sample has one vote. Pure.
//!
//! A line that states its index is the sample (instance, model, prompt, index). A line that states none is a sample of
//! its own. It is the same as another only if its whole file says what another file says, because then the file is a
//! copy. If every index is 0, nobody counted, and the answer's text decides within a file.

use std::collections::{HashMap, HashSet};

use crate::model::digest::Digest;

/// A line that holds a sample.
#[derive(Clone, Debug)]
pub struct Line<'l> {
    /// Number of its file among those that were named.
    pub file: usize,
    /// Number of the first file that is the same one on the disk.
    pub same_as: usize,
    pub instance: &'l str,
    pub model: Option<&'l str>,
    pub prompt: Option<&'l str>,
    /// None if the line does not say it.
    pub index: Option<u64>,
    /// Digest of the answer's text; none for an empty one.
    pub says: Option<Digest>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Slot {
    Index(u64),
    /// Place among the lines of its file about the same instance by the same model.
    Place(u64),
}

/// (instance, model, prompt, slot)
type Sample<'l> = (&'l str, Option<&'l str>, Option<&'l str>, Slot);

/// Lines that two files have in common.
#[derive(Clone, Copy, Default)]
struct Common {
    samples: u32,
    equal: u32,
    /// Of the equal ones, those with a text.
    telling: u32,
}

/// Samples that two files must have in common for one to be a copy of the other: one may be chance.
const TELLING: u32 = 2;

/// For each line, whether its sample stands in an earlier one.
pub fn repeats(lines: &[Line<'_>]) -> Vec<bool> {
    let mut repeated = vec![false; lines.len()];
    // A name that says no model may stand for another one in every file.
    let group = |line: &Line<'_>| line.model.is_none().then_some(line.file);
    let above = lines.iter().filter(|line| line.index > Some(0));
    let counted: HashSet<_> = above.map(|line| (line.instance, line.model, line.prompt, group(line))).collect();
    let mut places: HashMap<(usize, &str, Option<&str>), u64> = HashMap::new();
    let mut said = HashSet::new();
    let mut samples: Vec<Sample<'_>> = Vec::with_capacity(lines.len());
    for (number, line) in lines.iter().enumerate() {
        let counted = counted.contains(&(line.instance, line.model, line.prompt, group(line)));
        let slot = match line.index.filter(|_| counted) {
            Some(index) => Slot::Index(index),
            None => {
                let place = places.entry((line.file, line.instance, line.model)).or_default();
                if line.index.is_some() {
                    repeated[number] = !said.insert((line.file, line.instance, line.model, line.prompt, &line.says));
                }
                *place += u64::from(!repeated[number]);
                Slot::Place(*place)
            }
        };
        samples.push((line.instance, line.model, line.prompt, slot));
    }
    // Sample -> the first line of each file that holds it, in the order of the input.
    let mut known: HashMap<Sample<'_>, Vec<usize>> = HashMap::new();
    let mut common: HashMap<(usize, usize), Common> = HashMap::new();
    for (number, (line, sample)) in lines.iter().zip(&samples).enumerate() {
        let earlier = known.entry(*sample).or_default();
        if earlier.iter().any(|other| lines[*other].file == line.file) {
            repeated[number] = true;
            continue;
        }
        for other in earlier.iter().map(|other| &lines[*other]) {
            let named = matches!(sample.3, Slot::Index(_)) && line.model.is_some();
            repeated[number] |= named || line.same_as == other.same_as;
            let common = common.entry((other.file, line.file)).or_default();
            common.samples += 1;
            let equal = line.says == other.says;
            common.equal += u32::from(equal);
            common.telling += u32::from(equal && line.says.is_some());
        }
        earlier.push(number);
    }
    for (number, (line, sample)) in lines.iter().zip(&samples).enumerate() {
        let copy = |other: &usize| {
            let other = &lines[*other];
            let common = common.get(&(other.file, line.file)).copied().unwrap_or_default();
            other.file < line.file && common.samples == common.equal && common.telling >= TELLING
        };
        repeated[number] |= known.get(sample).is_some_and(|lines| lines.iter().any(copy));
    }
    repeated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(
        file: usize,
        instance: &'static str,
        model: Option<&'static str>,
        index: Option<u64>,
        says: &str,
    ) -> Line<'static> {
        let says = (!says.is_empty()).then(|| Digest::of(says.as_bytes()));
        Line { file, same_as: file, instance, model, prompt: None, index, says }
    }

    #[test]
    fn a_sample_that_says_its_index_has_one_vote_whatever_it_says_the_second_time() {
        let m = Some("m");
        let lines = [
            line(0, "a", m, Some(0), "x"),
            line(0, "a", m, Some(1), "x"),
            line(0, "a", m, Some(0), "x"),
            line(0, "a", m, Some(0), "other"),
            line(0, "b", m, Some(0), "x"),
            line(0, "a", Some("n"), Some(0), "x"),
            line(1, "a", m, Some(1), "x"),
            line(1, "a", m, Some(2), "x"),
        ];
        assert_eq!(repeats(&lines), [false, false, true, true, false, false, true, false]);
        // Another prompt's first sample is another sample.
        let prompted = |prompt| Line { prompt: Some(prompt), ..line(0, "a", m, Some(0), "x") };
        assert_eq!(repeats(&[prompted("p"), prompted("q"), prompted("p")]), [false, false, true]);
    }

    #[test]
    fn without_an_index_every_line_is_a_sample_unless_its_file_is_a_copy() {
        let sample = |file, instance, says| line(file, instance, Some("m"), None, says);
        let lines =
            [sample(0, "a", "x"), sample(0, "a", "x"), sample(0, "b", "y"), sample(1, "a", "x"), sample(1, "b", "z")];
        assert_eq!(repeats(&lines), [false; 5], "file 1 says something else of b");
        let lines =
            [sample(0, "a", "x"), sample(0, "b", "y"), sample(1, "b", "y"), sample(1, "a", "x"), sample(1, "c", "z")];
        assert_eq!(repeats(&lines), [false, false, true, true, false], "file 1 holds file 0");
        // One equal answer, and empty ones, may be chance.
        let lines = [sample(0, "a", "x"), sample(0, "b", ""), sample(1, "a", "x"), sample(1, "b", "")];
        assert_eq!(repeats(&lines), [false; 4]);
        let again = Line { same_as: 0, ..sample(1, "a", "x") };
        assert_eq!(repeats(&[sample(0, "a", "x"), again]), [false, true], "the same file on the disk");
    }

    #[test]
    fn where_every_index_is_zero_nobody_counted() {
        let sample = |file, says| line(file, "a", Some("m"), Some(0), says);
        let lines = [sample(0, "x"), sample(0, "y"), sample(0, "x"), sample(1, "x"), sample(2, "z")];
        assert_eq!(repeats(&lines), [false, false, true, false, false]);
    }

    #[test]
    fn files_that_name_no_model_may_be_those_of_two_models() {
        let sample = |file, index, says| line(file, "a", None, Some(index), says);
        let lines = [sample(0, 0, "x"), sample(0, 1, "y"), sample(0, 0, "z"), sample(1, 0, "x"), sample(1, 1, "w")];
        assert_eq!(repeats(&lines), [false, false, true, false, false]);
    }
}
