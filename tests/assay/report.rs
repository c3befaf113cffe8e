//! The report: one file that tells everything, runs nothing of what models wrote, and opens with many candidates.

use crate::harness::{Need, Test, skip, tests};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use swe_assay::inside::journal::RunDir;
use swe_assay::inside::model::digest::Digest;
use swe_assay::inside::model::format;

use crate::support::{assay, expect_exit, json as printed, stderr};

/// What an answer may hold to break out of a page.
const HOSTILE: &str =
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u{202e}";

/// A run of that many candidates of two instances, a third of them verified.
fn run_of(folder: &Path, candidates: usize) -> std::path::PathBuf {
    run_with(folder, candidates, |number| number % 3 == 0)
}

/// A run that is written by hand: nothing ran for its candidates.
fn run_with(folder: &Path, candidates: usize, verified: impl Fn(usize) -> bool) -> std::path::PathBuf {
    let path = folder.join("run");
    let run = RunDir::open(&path).unwrap();
    let instance = |id: &str| {
        json!({
            "instance_id": id, "repo": "a/b", "base_commit": "0".repeat(40), "problem_statement": HOSTILE,
            "patch": "", "test_patch": "", "FAIL_TO_PASS": [], "PASS_TO_PASS": [],
        })
    };
    let ids = ["a__b-1", HOSTILE];
    let digest = Digest::of(b"x");
    let mut all = Vec::new();
    let mut verdicts = Vec::new();
    for number in 0..candidates {
        let generation = json!({
            "format": format::GENERATION, "instance_id": ids[number % 2], "skill": "repair", "model": "<b>m</b>",
            "completion": format!("{HOSTILE} {number}"), "index": number,
        });
        let id = run.blobs().put(&serde_json::to_vec(&generation).unwrap()).unwrap();
        // Two kilobytes that do not compress much and are those of no other candidate.
        let body: String =
            (0..30).map(|line| format!("+{}\n", Digest::of(format!("{number}.{line}").as_bytes()))).collect();
        let place = json!({"file": "g.jsonl", "line": number + 1, "index": number});
        all.push(json!({
            "format": format::CANDIDATE, "candidate_id": id, "instance_id": ids[number % 2], "skill": "repair",
            "generation": place, "form": "unified_diff",
            "prepared": {"tree": "t", "diff": format!("--- a/m.py\n+++ b/m.py\n@@ -1 +1,31 @@\n-a\n+{HOSTILE} {number}\n{body}"), "files": ["m.py"]},
        }));
        let (status, reason) = if verified(number) { ("verified", "resolved") } else { ("rejected", "still_failing") };
        verdicts.push(json!({
            "format": format::VERDICT, "candidate_id": id, "instance_id": ids[number % 2], "skill": "repair",
            "generation": place, "status": status, "reason": reason, "detail": HOSTILE, "evidence": "E1", "trials": [],
            "receipt": digest,
        }));
    }
    run.write_lines("candidates.jsonl", all).unwrap();
    run.write_lines("verdicts.jsonl", verdicts).unwrap();
    run.write_lines("instances.jsonl", ids.map(instance)).unwrap();
    run.write_lines("admissions.jsonl", Vec::<Value>::new()).unwrap();
    let info = json!({"format": format::RUN, "tool_version": "0", "sandbox": "cell", "repeats": 3, "inputs": {HOSTILE: digest}});
    run.write_derived("run.json", &serde_json::to_vec(&info).unwrap()).unwrap();
    path
}

/// The page as Chromium has it once its script is done; none where there is no Chromium.
fn opened(page: &Path, hash: &str) -> String {
    let dom = dom_of(page, hash);
    assert!(dom.contains("data-ready=\"yes\""), "the page's script did not end: {dom}");
    dom
}

fn dom_of(page: &Path, hash: &str) -> String {
    let browser = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
        .unwrap_or_else(|| skip(Need::Chromium, "no browser opens the page (apt install chromium)"));
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom"])
        // A page that measures another one beside it.
        .arg("--allow-file-access-from-files")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}{hash}", page.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Shows `report.html` as a phone and a desktop do, light and dark, and writes down what it measures.
const MEASURE: &str = r#"<!DOCTYPE html><body><script>
const views = [];
for (const scheme of ["light", "dark"]) for (const width of [390, 1280]) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:900px;border:0;color-scheme:${scheme}`;
  frame.src = "report.html";
  frame.onload = () => {
    const page = frame.contentDocument;
    const bars = (table) => [...table.querySelectorAll("tbody tr")].map((row) => {
      const [bar, count] = [row.querySelector(".bar"), row.querySelector(".count")];
      const [one, other] = [bar.getBoundingClientRect(), count.getBoundingClientRect()];
      return { count: Number(count.textContent), length: one.width, apart: one.right <= other.left };
    });
    const paper = frame.contentWindow.getComputedStyle(page.body).backgroundColor;
    const charts = [...page.querySelectorAll("table.bars")].map(bars);
    views.push({ paper, width, wide: page.documentElement.scrollWidth, charts });
    if (views.length === 4) {
      const out = document.createElement("pre");
      out.id = "measured";
      out.textContent = JSON.stringify(views);
      document.body.append(out);
    }
  };
  document.body.append(frame);
}
</script></body>"#;

fn what_models_wrote_is_shown_and_never_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of(folder.path(), 7);
    let output = expect_exit(assay().arg("report").arg(&run).arg("--json"), 0);
    let written = printed(&output);
    assert_eq!(written["candidates"], 7);
    let page = run.join("report.html");
    assert_eq!(written["report"], page.display().to_string());
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(
        !html.contains("<script>document.title") && !html.contains("<img src=x"),
        "hostile text is in the page as it is"
    );
    assert!(html.contains("default-src &#x27;none&#x27;") || html.contains("default-src 'none'"));
    for address in ["http://", "https://"] {
        assert!(
            !html.contains(&format!("src=\"{address}")) && !html.contains(&format!("href=\"{address}")),
            "needs no network"
        );
    }
    // Without a script the overview tells the counts.
    assert!(html.contains("<strong>3</strong> of <strong>7</strong>"), "the overview's counts");

    let dom = opened(&page, "#candidate/2");
    assert!(!dom.contains("<title>owned"), "hostile text ran");
    assert!(dom.contains("Candidate 2: "), "the candidate's page");
    assert!(dom.contains("still_failing") && dom.contains("A test that the issue is about still does not pass."));
    assert!(dom.contains("&lt;img src=x onerror") && dom.contains("\\u202e"), "the change is shown as text");
}

fn bars_are_as_long_as_their_counts_on_a_phone_and_on_a_desktop_light_and_dark() {
    let folder = tempfile::tempdir().unwrap();
    // 60 and 70: two lengths of which neither is short.
    let run = run_with(folder.path(), 130, |number| number < 60);
    expect_exit(assay().arg("report").arg(&run).arg("--out").arg(folder.path().join("report.html")), 0);
    let measure = folder.path().join("measure.html");
    std::fs::write(&measure, MEASURE).unwrap();
    let dom = dom_of(&measure, "");
    let measured = dom.split_once("<pre id=\"measured\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let views: Vec<Value> =
        serde_json::from_str(measured.unwrap_or_else(|| panic!("nothing measured: {dom}")).0).unwrap();
    let papers: std::collections::BTreeSet<_> = views.iter().map(|view| view["paper"].to_string()).collect();
    assert_eq!((views.len(), papers.len()), (4, 2), "two widths, light and dark: {views:?}");
    for view in &views {
        assert!(view["wide"].as_f64() <= view["width"].as_f64(), "the page is wider than the screen: {view}");
        let charts = view["charts"].as_array().unwrap();
        let counts = |chart: &Value| -> Vec<u64> {
            chart.as_array().unwrap().iter().map(|bar| bar["count"].as_u64().unwrap()).collect()
        };
        assert_eq!(counts(&charts[0]), [130, 130, 130, 60, 60]);
        assert!(charts.iter().any(|chart| counts(chart) == [60, 70]), "verified and rejected: {view}");
        for chart in charts {
            let bars = chart.as_array().unwrap();
            let longest = bars.iter().max_by_key(|bar| bar["count"].as_u64()).unwrap();
            let (most, room) = (longest["count"].as_f64().unwrap(), longest["length"].as_f64().unwrap());
            assert!(room > 60.0, "no room for bars: {view}");
            for bar in bars {
                let (count, length) = (bar["count"].as_f64().unwrap(), bar["length"].as_f64().unwrap());
                assert!(
                    (length - room * count / most).abs() <= 1.0,
                    "{count} of {most} is {length} of {room} px: {view}"
                );
                assert_eq!(bar["apart"], json!(true), "a bar runs into its count: {view}");
            }
        }
    }
}

fn many_candidates_open_at_once() {
    let many = std::env::var("ASSAY_REPORT_CANDIDATES").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    let folder = tempfile::tempdir().unwrap();
    let run = run_of(folder.path(), many);
    let page = folder.path().join("out/page.html");
    expect_exit(assay().arg("report").arg(&run).arg("--out").arg(&page), 0);
    let began = Instant::now();
    let dom = opened(&page, "#candidates");
    eprintln!("{many} candidates, {} bytes, opened in {:?}", std::fs::metadata(&page).unwrap().len(), began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(60));
    assert!(dom.contains(&format!("{many} of {many} candidates")));
    let rows = dom.matches("href=\"#candidate/").count();
    assert!((100..=103).contains(&rows), "{rows} lines are drawn, not all {many}");
}

fn verdicts_that_do_not_go_with_the_candidates_are_an_error_with_the_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of(folder.path(), 3);
    let verdicts = std::fs::read_to_string(run.join("verdicts.jsonl")).unwrap();
    let first: String = verdicts.lines().take(1).map(|line| format!("{line}\n")).collect();
    std::fs::write(run.join("verdicts.jsonl"), first).unwrap();
    let output = expect_exit(assay().arg("report").arg(&run), 1);
    assert!(stderr(&output).contains("run `assay judge"), "{}", stderr(&output));
    assert!(!run.join("report.html").exists());

    let output = expect_exit(assay().arg("report").arg(folder.path()), 1);
    assert!(stderr(&output).contains("is not a run directory"), "{}", stderr(&output));
}

pub const TESTS: &[Test] = tests![
    what_models_wrote_is_shown_and_never_run,
    bars_are_as_long_as_their_counts_on_a_phone_and_on_a_desktop_light_and_dark,
    many_candidates_open_at_once,
    verdicts_that_do_not_go_with_the_candidates_are_an_error_with_the_next_step,
];
