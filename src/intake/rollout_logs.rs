//! The files that a name for rollouts stands for: a log, a folder of logs, or a run directory of ours.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::records::is_named_as_records;

/// Why a folder holds no rollouts that can be read.
#[derive(Debug, Error)]
pub enum NoLog {
    #[error(
        "{place} is a run of `assay serve`, which keeps answers and no verdicts; run `assay verify INSTANCES --run {place} --generations \
         {place}/generations.jsonl`, where nothing runs twice, and name it again. Answers that say the same stand there once, so the \
         rates are those of different answers",
        place = run.display()
    )]
    Served { run: PathBuf },
    #[error("{} is a run without verdicts.jsonl; run the same `assay verify` again to finish it", run.display())]
    Unfinished { run: PathBuf },
    #[error(
        "{} holds no .jsonl, .json or .parquet file{}; name the logs, or the folder in which they lie",
        folder.display(),
        if folders.is_empty() { String::new() } else { format!(", only the folders {}", folders.join(", ")) }
    )]
    Empty { folder: PathBuf, folders: Vec<String> },
    #[error("cannot list {}", folder.display())]
    Unlisted {
        folder: PathBuf,
        #[source]
        error: std::io::Error,
    },
}

/// The files of rollouts that a path stands for. Of a folder, all that could be logs, steps in their order.
///
/// # Errors
/// A folder without logs.
pub fn logs_of(path: &Path) -> Result<Vec<PathBuf>, NoLog> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    // The verdicts of a run directory are rollouts too, duplicates included: each is an attempt.
    let verdicts = path.join("verdicts.jsonl");
    if verdicts.exists() {
        return Ok(vec![verdicts]);
    }
    if path.join("journal").is_dir() || path.join("admissions.jsonl").exists() {
        let served = path.join("generations.jsonl").exists();
        let run = path.to_owned();
        return Err(if served { NoLog::Served { run } } else { NoLog::Unfinished { run } });
    }
    let list =
        || -> std::io::Result<Vec<PathBuf>> { std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect() };
    let entries = list().map_err(|error| NoLog::Unlisted { folder: path.to_owned(), error })?;
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.is_dir());
    files.retain(|file| is_named_as_records(file));
    if files.is_empty() {
        let name = |folder: &PathBuf| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut folders: Vec<_> = folders.iter().map(name).collect();
        folders.sort();
        return Err(NoLog::Empty { folder: path.to_owned(), folders });
    }
    files.sort_by_key(|file| (step(file), file.clone()));
    Ok(files)
}

/// The step that a log is named after.
fn step(file: &Path) -> Option<u64> {
    let name = file.file_name()?.to_str()?;
    name.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_logs_in_the_order_of_their_steps() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["10.jsonl", "9.jsonl", "notes.txt", "2.jsonl.zst", "train.parquet"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("images")).unwrap();
        let names: Vec<_> =
            logs_of(folder.path()).unwrap().into_iter().map(|file| file.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["train.parquet", "2.jsonl.zst", "9.jsonl", "10.jsonl"]);
        let file = folder.path().join("9.jsonl");
        assert_eq!(logs_of(&file).unwrap(), [file]);
    }

    #[test]
    fn a_folder_without_logs_says_what_it_is_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("run");
        std::fs::create_dir_all(place.join("step_1")).unwrap();
        let why = |place: &Path| logs_of(place).unwrap_err().to_string();
        assert!(why(&place).contains("only the folders step_1"), "{}", why(&place));
        std::fs::create_dir(place.join("journal")).unwrap();
        assert!(why(&place).contains("run the same `assay verify` again"), "{}", why(&place));
        std::fs::write(place.join("generations.jsonl"), "").unwrap();
        assert!(why(&place).contains("`assay serve`") && why(&place).contains("--generations"), "{}", why(&place));
        std::fs::write(place.join("verdicts.jsonl"), "").unwrap();
        assert_eq!(logs_of(&place).unwrap(), [place.join("verdicts.jsonl")]);
    }
}
