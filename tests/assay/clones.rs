//! Clones of every kind, made with git: each is read, or refused in one sentence with the command that mends it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{Need, Test, skip, tests};
use crate::mixer::edit;
use crate::support::{assay, expect_exit, lines, stderr};

pub const TESTS: &[Test] = tests![
    a_partial_clone_is_completed_by_the_command_that_is_shown,
    a_partial_clone_among_the_repositories_refuses_its_instance_with_the_command,
    a_shallow_clone_is_deepened_by_the_command_that_is_shown,
    files_of_submodules_come_along_if_they_are_at_hand,
    a_submodule_whose_clone_is_partial_is_named_with_the_command_that_completes_it,
    a_submodule_that_is_not_here_is_not_taken_for_a_change,
    contents_of_git_lfs_come_along_if_they_are_at_hand,
    contents_of_git_lfs_that_are_here_for_one_commit_are_refused_and_pipes_are_not_read,
    a_work_tree_a_bare_repository_and_one_that_borrows_objects_are_read,
    a_repository_of_another_user_is_read_and_runs_nothing,
    trees_of_a_repository_that_may_not_be_written_are_kept_in_the_cache,
    replaced_commits_are_refused_and_replacements_are_said,
    names_that_look_like_options_are_names,
    what_is_no_repository_that_can_be_read_is_refused_in_one_sentence,
    the_version_is_that_of_the_nearest_tag,
];

/// Runs git as nobody in particular: no configuration of the user has a say.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = expect_exit(command("git").arg("-C").arg(folder).args(arguments), 0);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_CONFIG_COUNT", "2");
    command.env("GIT_CONFIG_KEY_0", "protocol.file.allow").env("GIT_CONFIG_VALUE_0", "always");
    command.env("GIT_CONFIG_KEY_1", "init.defaultBranch").env("GIT_CONFIG_VALUE_1", "main");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "a").env(format!("GIT_{who}_EMAIL"), "a@localhost");
        command.env(format!("GIT_{who}_DATE"), "2020-01-01T00:00:00Z");
    }
    command
}

/// A folder with a repository `origin` in it.
struct Home {
    folder: tempfile::TempDir,
    base: String,
    fix: String,
}

impl Home {
    /// A repository of two commits: code and test are mended together.
    fn new() -> Self {
        Self::with(&["init", "--quiet"], |_| {})
    }

    /// The same, with more in the tree of both commits.
    fn with(init: &[&str], more: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let origin = folder.path().join("origin");
        fs::create_dir_all(origin.join("tests")).unwrap();
        git(&origin, init);
        for setting in ["uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"] {
            git(&origin, &["config", setting, "true"]);
        }
        let mut commits = Vec::new();
        more(&origin);
        for answer in ["3", "4"] {
            fs::write(origin.join("shop.py"), format!("PRICE = {answer}\n")).unwrap();
            fs::write(origin.join("tests/test_shop.py"), format!("def test_a():\n    assert {answer}\n")).unwrap();
            git(&origin, &["add", "--all"]);
            git(&origin, &["commit", "--quiet", "--message", answer]);
            commits.push(git(&origin, &["rev-parse", "HEAD"]));
        }
        let [base, fix] = commits.try_into().unwrap();
        Self { folder, base, fix }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Clones `origin` as if it were elsewhere.
    fn clone(&self, name: &str, options: &[&str]) -> PathBuf {
        let from = format!("file://{}", self.path("origin").display());
        git(self.folder.path(), &[&["clone", "--quiet"], options, &[&from, name]].concat());
        self.path(name)
    }

    fn import(&self, path: &Path, base: &str, fix: &str) -> Command {
        let mut command = assay();
        command
            .args(["import", "git", "--no-declared", "--problem", "The price is wrong.", "--out"])
            .arg(self.path("out"));
        command.arg("--").arg(path).args([base, fix]);
        command
    }

    /// The instance of the two commits, and what was said beside it.
    fn imported(&self, path: &Path, base: &str, fix: &str) -> (Value, Vec<String>) {
        let said = stderr(&expect_exit(&mut self.import(path, base, fix), 0));
        let instances = lines(&self.path("out/instances.jsonl"));
        (instances.last().unwrap().clone(), said.lines().map(str::to_owned).collect())
    }

    /// What is said of a repository that is refused. It is one line.
    fn refused(&self, path: &Path, base: &str, fix: &str) -> String {
        let said = stderr(&expect_exit(&mut self.import(path, base, fix), 1));
        let line = said.strip_prefix("assay: ").and_then(|rest| rest.strip_suffix('\n')).unwrap();
        assert!(!line.contains('\n'), "{said}");
        line.to_owned()
    }

    /// A file of the base tree that was kept.
    fn kept(&self, instance: &Value, path: &str) -> Option<String> {
        let kept = self.path("out/repos").join(format!("{}.git", instance["repo"].as_str().unwrap()));
        let name = format!("{}:{path}", instance["base_commit"].as_str().unwrap());
        let output = command("git").arg("-C").arg(kept).args(["show", &name]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }
}

/// The command that a sentence shows.
fn shown_in(sentence: &str) -> &str {
    sentence.split('`').nth(1).unwrap()
}

fn run(shown: &str) {
    expect_exit(command("sh").args(["-c", shown]), 0);
}

fn a_partial_clone_is_completed_by_the_command_that_is_shown() {
    let home = Home::new();
    let (whole, said) = home.imported(&home.path("origin"), &home.base, &home.fix);
    assert_eq!(said, Vec::<String>::new());
    for (name, filter, missing) in [
        ("blobless", "--filter=blob:none", "2 of commit BASE: shop.py, tests/test_shop.py"),
        ("treeless", "--filter=tree:0", "the tree of commit BASE"),
    ] {
        let clone = home.clone(name, &[filter, "--no-checkout"]);
        let missing = missing.replace("BASE", &home.base[..12]);
        let (path, base, fix) = (clone.display(), &home.base[..12], &home.fix[..12]);
        let told = home.refused(&clone, &home.base, "HEAD");
        assert_eq!(
            told,
            format!(
                "{path} {base}..{fix}: {path} lacks objects ({missing}); it is a partial clone, and \
                 `git -C {path} fetch --refetch --no-filter origin` completes it"
            )
        );
        run(shown_in(&told));
        let (instance, said) = home.imported(&clone, &home.base, "HEAD");
        assert_eq!((&instance["patch"], &instance["base_commit"]), (&whole["patch"], &whole["base_commit"]));
        assert_eq!(said, Vec::<String>::new());
    }
}

fn a_partial_clone_among_the_repositories_refuses_its_instance_with_the_command() {
    let home = Home::new();
    let (mut instance, _) = home.imported(&home.path("origin"), &home.base, &home.fix);
    instance["base_commit"] = home.base.as_str().into();
    fs::create_dir(home.path("repos")).unwrap();
    let clone = home.clone("repos/origin.git", &["--bare", "--filter=blob:none"]);
    fs::write(home.path("rows.jsonl"), format!("{instance}\n")).unwrap();
    // Once completed, the tests need pytest, which may not be there: then it is refused for that.
    let validated = |run: &str| {
        let mut command = assay();
        command.arg("validate").arg(home.path("rows.jsonl")).arg("--repos").arg(home.path("repos"));
        let output = command.arg("--json").arg("--run").arg(home.path(run)).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let refused = validated("before");
    let detail = refused["detail"].as_str().unwrap();
    let (before, after) = detail.split_once("(reading a file: object not found - no match for id (").unwrap();
    assert_eq!(
        (before, &refused["refusal"]),
        (&*format!("{} lacks objects ", clone.display()), &"base_not_found".into())
    );
    let command = format!("git -C {} fetch --refetch --no-filter origin '+refs/heads/*:refs/heads/*'", clone.display());
    assert_eq!(after.split_once(")); ").unwrap().1, format!("it is a partial clone, and `{command}` completes it"));
    run(shown_in(detail));
    assert_ne!(validated("after")["refusal"], "base_not_found");
}

fn a_shallow_clone_is_deepened_by_the_command_that_is_shown() {
    let home = Home::new();
    let clone = home.clone("shallow", &["--depth=1"]);
    git(&clone, &["worktree", "add", "--quiet", "--detach", "../linked", "HEAD"]);
    for (place, base) in [(&clone, "HEAD~1"), (&clone, home.base.as_str()), (&home.path("linked"), "HEAD~1")] {
        let told = home.refused(place, base, "HEAD");
        let path = place.display();
        assert_eq!(
            told,
            format!(
                "commit {base} is not in {path}; it is a shallow clone, whose history is cut off; `git -C {path} fetch --unshallow` \
                 brings the rest"
            )
        );
    }
    run(shown_in(&home.refused(&clone, "HEAD~1", "HEAD")));
    assert_eq!(home.imported(&clone, "HEAD~1", "HEAD").1, Vec::<String>::new());
}

fn files_of_submodules_come_along_if_they_are_at_hand() {
    let part = Home::new();
    let url = format!("file://{}", part.path("origin").display());
    let home = Home::with(&["init", "--quiet"], |origin| {
        git(origin, &["submodule", "--quiet", "add", "--name", "data of tests", &url, "tests/data"]);
    });
    let again = "and import again if the tests need them";
    let bare = home.clone("bare.git", &["--bare"]);
    let (_, said) = home.imported(&bare, &home.base, &home.fix);
    let without = "submodules are not here, so their folders are empty in the instance: tests/data";
    assert_eq!(said, [format!("{without}; make a clone with `git clone --recurse-submodules`, {again}")]);

    let clone = home.clone("clone", &[]);
    let path = clone.display();
    let (instance, said) = home.imported(&clone, &home.base, &home.fix);
    assert_eq!(said, [format!("{without}; run `git -C {path} submodule update --init --recursive`, {again}")]);
    assert_eq!(home.kept(&instance, "tests/data/shop.py"), None);

    run(shown_in(&said[0]));
    let (instance, said) = home.imported(&clone, &home.base, &home.fix);
    assert_eq!(said, ["files of submodules are part of the instance: tests/data"]);
    assert_eq!(home.kept(&instance, "tests/data/shop.py").as_deref(), Some("PRICE = 4\n"));
    assert!(!instance["patch"].as_str().unwrap().contains("tests/data"), "nothing of it changed");

    // The fix takes another commit of it, of which this clone has not heard.
    fs::write(part.path("origin/shop.py"), "PRICE = 5\n").unwrap();
    git(&part.path("origin"), &["commit", "--quiet", "--all", "--message", "5"]);
    let new = git(&part.path("origin"), &["rev-parse", "HEAD"]);
    git(&clone, &["update-index", "--cacheinfo", &format!("160000,{new},tests/data")]);
    fs::write(clone.join("shop.py"), "PRICE = 5\n").unwrap();
    git(&clone, &["add", "shop.py"]);
    git(&clone, &["commit", "--quiet", "--message", "5"]);
    let kept = clone.join(".git/modules/data of tests");
    let fetch = format!("run `git -C '{}' fetch origin {new}`", kept.display());
    let [before, after] = ["HEAD~1", "HEAD"].map(|name| git(&clone, &["rev-parse", name])[..12].to_owned());
    let told = home.refused(&clone, "HEAD~1", "HEAD");
    assert_eq!(
        told,
        format!(
            "{path} {before}..{after}: files at tests/data are here for commit {before}, and for {after} they are those of a submodule \
             that lacks commit {new}, so all of them would count as changed; {fetch}, and import again"
        )
    );
    assert!(home.refused(&clone, "HEAD", "HEAD~1").ends_with(&format!("; {fetch}, and import again")));
    // Both commits name it: then the folder is empty in both, and nothing of it counts as changed.
    fs::write(clone.join("shop.py"), "PRICE = 6\n").unwrap();
    git(&clone, &["commit", "--quiet", "--message", "6", "shop.py"]);
    let (instance, said) = home.imported(&clone, "HEAD~1", "HEAD");
    let lacks = format!("the clone of submodule tests/data lacks commit {new}, so its folder is empty in the instance");
    assert_eq!(said, [format!("{lacks}; {fetch}, {again}")]);
    assert!(!instance["patch"].as_str().unwrap().contains("tests/data"), "{instance}");
    git(&clone, &["reset", "--quiet", "--soft", "HEAD~1"]);
    run(shown_in(&told));
    let (instance, said) = home.imported(&clone, "HEAD~1", "HEAD");
    assert_eq!(said, ["files of submodules are part of the instance: tests/data"]);
    assert!(
        instance["test_patch"].as_str().unwrap().contains("tests/data/shop.py"),
        "the change of the submodule is seen"
    );
}

fn a_submodule_whose_clone_is_partial_is_named_with_the_command_that_completes_it() {
    let part = Home::new();
    let url = format!("file://{}", part.path("origin").display());
    let home = Home::with(&["init", "--quiet"], |origin| {
        git(origin, &["submodule", "--quiet", "add", &url, "data"]);
    });
    for (name, filter) in [("treeless", "--filter=tree:0"), ("blobless", "--filter=blob:none")] {
        let clone = home.clone(name, &[]);
        let module = clone.join(".git/modules/data");
        fs::create_dir_all(module.parent().unwrap()).unwrap();
        git(&clone, &["clone", "--quiet", "--bare", filter, &url, module.to_str().unwrap()]);
        let (instance, said) = home.imported(&clone, &home.base, &home.fix);
        let commit = &part.fix;
        let complete =
            format!("git -C {} fetch --refetch --no-filter origin '+refs/heads/*:refs/heads/*'", module.display());
        assert_eq!(
            said,
            [format!(
                "the clone of submodule data lacks objects of commit {commit}, so its folder is empty in the instance; it is a \
                 partial clone, and `{complete}` completes it, and import again if the tests need them"
            )]
        );
        assert_eq!(home.kept(&instance, "data/shop.py"), None);
        run(shown_in(&said[0]));
        let (instance, said) = home.imported(&clone, &home.base, &home.fix);
        assert_eq!(said, ["files of submodules are part of the instance: data"]);
        assert_eq!(home.kept(&instance, "data/shop.py").as_deref(), Some("PRICE = 4\n"));
    }
}

/// A submodule that the fix puts plain files in the place of, and the other way round.
fn a_submodule_that_is_not_here_is_not_taken_for_a_change() {
    let part = Home::new();
    let url = format!("file://{}", part.path("origin").display());
    let home = Home::with(&["init", "--quiet"], |origin| {
        git(origin, &["submodule", "--quiet", "add", &url, "data"]);
    });
    let clone = home.clone("clone", &[]);
    git(&clone, &["rm", "--quiet", "data"]);
    fs::create_dir_all(clone.join("data")).unwrap();
    fs::write(clone.join("data/shop.py"), "PRICE = 4\n").unwrap();
    fs::write(clone.join("shop.py"), "PRICE = 5\n").unwrap();
    git(&clone, &["add", "--all"]);
    git(&clone, &["commit", "--quiet", "--message", "files"]);
    for (base, fix) in [("HEAD~1", "HEAD"), ("HEAD", "HEAD~1")] {
        let told = home.refused(&clone, base, fix);
        let [there, away] = ["HEAD", "HEAD~1"].map(|name| git(&clone, &["rev-parse", name])[..12].to_owned());
        assert!(
            told.ends_with(&format!(
                ": files at data are here for commit {there}, and for {away} they are those of a submodule that lacks its files, so \
                 all of them would count as changed; check {away} out there, run `git -C {} submodule update --init --recursive`, \
                 and import again",
                clone.display()
            )),
            "{told}"
        );
    }
    git(&clone, &["checkout", "--quiet", "--detach", "HEAD~1"]);
    run(shown_in(&home.refused(&clone, &home.fix, "main")));
    let (instance, said) = home.imported(&clone, &home.fix, "main");
    assert_eq!(said, ["files of submodules are part of the instance: data"]);
    let patch = instance["patch"].as_str().unwrap();
    assert!(patch.contains("shop.py") && !patch.contains("b/data/shop.py"), "{patch}");
}

fn contents_of_git_lfs_that_are_here_for_one_commit_are_refused_and_pipes_are_not_read() {
    // sha256 of `hello` and of nothing.
    let digests = [
        ("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03", 6),
        ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0),
    ];
    let home = Home::with(&["init", "--quiet"], |origin| {
        fs::write(origin.join(".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n").unwrap();
    });
    let origin = home.path("origin");
    for (number, (digest, size)) in digests.iter().enumerate() {
        let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n");
        fs::write(origin.join("tests/a.bin"), pointer).unwrap();
        fs::write(origin.join("shop.py"), format!("PRICE = 7{number}\n")).unwrap();
        git(&origin, &["add", "--all"]);
        git(&origin, &["commit", "--quiet", "--message", "bin"]);
    }
    let place = |digest: &str| {
        let folder = origin.join(".git/lfs/objects").join(&digest[..2]).join(&digest[2..4]);
        fs::create_dir_all(&folder).unwrap();
        folder.join(digest)
    };
    fs::write(place(digests[0].0), "hello\n").unwrap();
    // Its length is right, and nobody ever writes to it.
    expect_exit(command("mkfifo").arg(place(digests[1].0)), 0);
    let [base, fix] = ["HEAD~1", "HEAD"].map(|name| git(&origin, &["rev-parse", name]));
    let told = home.refused(&origin, "HEAD~1", "HEAD");
    let path = origin.display();
    assert_eq!(
        told,
        format!(
            "{path} {}..{}: contents of Git LFS are here for one of the two commits and not for the other, so they would count as \
             changed: tests/a.bin; run `git -C {path} lfs fetch origin {base} {fix}`, and import again",
            &base[..12],
            &fix[..12]
        )
    );
    fs::remove_file(place(digests[1].0)).unwrap();
    fs::write(place(digests[1].0), "").unwrap();
    let (instance, said) = home.imported(&origin, "HEAD~1", "HEAD");
    assert_eq!(said, Vec::<String>::new());
    assert!(instance["test_patch"].as_str().unwrap().contains("-hello"), "{instance}");
}

fn contents_of_git_lfs_come_along_if_they_are_at_hand() {
    const DIGEST: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{DIGEST}\nsize 6\n");
    let home = Home::with(&["init", "--quiet"], |origin| {
        fs::write(origin.join(".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n").unwrap();
        fs::write(origin.join("tests/a.bin"), &pointer).unwrap();
    });
    let origin = home.path("origin");
    let (path, base, fix) = (origin.display(), &home.base, &home.fix);
    let (instance, said) = home.imported(&origin, base, fix);
    assert_eq!(
        said,
        [format!(
            "1 file(s) hold a pointer of Git LFS in the place of their content, so tests that read them fail: tests/a.bin; run \
             `git -C {path} lfs fetch origin {base} {fix}`, and import again if the tests need them"
        )]
    );
    assert_eq!(home.kept(&instance, "tests/a.bin"), Some(pointer.clone()));

    let place = origin.join(".git/lfs/objects/58/91");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join(DIGEST), "other\n").unwrap();
    let (instance, said) = home.imported(&origin, base, fix);
    assert_eq!(
        (said.len(), home.kept(&instance, "tests/a.bin")),
        (1, Some(pointer)),
        "it is not what the pointer says"
    );
    fs::write(place.join(DIGEST), "hello\n").unwrap();
    let (instance, said) = home.imported(&origin, base, fix);
    assert_eq!(said, Vec::<String>::new());
    assert_eq!(home.kept(&instance, "tests/a.bin").as_deref(), Some("hello\n"));
}

fn a_work_tree_a_bare_repository_and_one_that_borrows_objects_are_read() {
    let home = Home::new();
    let origin = home.path("origin");
    let (whole, _) = home.imported(&origin, &home.base, &home.fix);
    let same = |place: &Path, base: &str, fix: &str| {
        let (instance, said) = home.imported(place, base, fix);
        assert_eq!(
            (&instance["patch"], &instance["base_commit"]),
            (&whole["patch"], &whole["base_commit"]),
            "{place:?}"
        );
        assert_eq!(said, Vec::<String>::new(), "{place:?}");
    };
    git(&origin, &["worktree", "add", "--quiet", "-b", "topic", "../linked", "HEAD"]);
    same(&home.path("linked"), "topic~1", "topic");
    same(&home.clone("bare.git", &["--bare"]), "HEAD~1", "main");
    same(&home.path("origin/.git"), "HEAD~1", "main");
    git(home.folder.path(), &["clone", "--quiet", "--shared", "origin", "borrows"]);
    same(&home.path("borrows"), "HEAD~1", "HEAD");

    fs::rename(&origin, home.path("moved")).unwrap();
    let (linked, borrows) = (home.path("linked"), home.path("borrows"));
    assert_eq!(
        home.refused(&linked, "HEAD~1", "HEAD"),
        format!(
            "{} is a work tree of {}, which is not there; put that back, or name the repository that has the commits",
            linked.display(),
            home.path("origin/.git/worktrees/linked").display()
        )
    );
    assert_eq!(
        home.refused(&borrows, &home.base, &home.fix),
        format!(
            "commit {} is not in {}; it takes objects from {}, which is not there; put that back",
            home.base,
            borrows.display(),
            home.path("origin/.git/objects").display()
        )
    );
}

/// Gives a folder and what is below it to another user.
fn give_away(folder: &Path) {
    for entry in walkdir::WalkDir::new(folder) {
        chown(entry.unwrap().path(), Some(12_345), Some(12_345)).unwrap();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn a_repository_of_another_user_is_read_and_runs_nothing() {
    if !is_root() {
        skip(Need::Root, "only root can give a file to another user");
    }
    let home = Home::new();
    let (whole, _) = home.imported(&home.path("origin"), &home.base, &home.fix);
    let theirs = home.clone("theirs", &[]);
    let trap = home.path("trapped");
    let script = home.path("trap.sh");
    fs::write(&script, format!("#!/bin/sh\ntouch {}\n", trap.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let script = script.display().to_string();
    for name in
        ["core.fsmonitor", "core.pager", "core.sshCommand", "filter.x.smudge", "filter.x.clean", "diff.external"]
    {
        git(&theirs, &["config", name, &script]);
    }
    fs::write(theirs.join(".git/info/attributes"), "* filter=x\n").unwrap();
    give_away(&theirs);
    let refused = command("git").arg("-C").arg(&theirs).args(["log", "-1"]).output().unwrap();
    assert!(!refused.status.success(), "git itself refuses it");
    let (instance, said) = home.imported(&theirs, "HEAD~1", "HEAD");
    assert_eq!((&instance["patch"], &instance["base_commit"]), (&whole["patch"], &whole["base_commit"]));
    assert_eq!(said, Vec::<String>::new());
    assert!(!trap.exists(), "a program that the repository names ran");
}

fn trees_of_a_repository_that_may_not_be_written_are_kept_in_the_cache() {
    if !is_root() {
        skip(Need::Root, "only root can run as another user");
    }
    // A place that the other user may enter: the build's directories may be closed to it.
    let open = tempfile::Builder::new().prefix("assay-user-").tempdir_in("/var/tmp").unwrap();
    let home = Home { folder: open, ..Home::new() };
    let binary = home.path("assay");
    fs::copy(env!("CARGO_BIN_EXE_assay"), &binary).unwrap();
    for (folder, price) in [("before", "3"), ("after", "4")] {
        fs::create_dir_all(home.path(folder).join("tests")).unwrap();
        fs::write(home.path(folder).join("shop.py"), format!("PRICE = {price}\n")).unwrap();
        fs::write(home.path(folder).join("tests/__init__.py"), "").unwrap();
        let test = format!(
            "import unittest\nfrom shop import PRICE\n\n\nclass Prices(unittest.TestCase):\n    def test_price(self):\n        \
             self.assertEqual(PRICE, {price})\n"
        );
        fs::write(home.path(folder).join("tests/test_shop.py"), test).unwrap();
    }
    let mut import = assay();
    import.args(["import", "folders"]).args([home.path("before"), home.path("after")]);
    import.args(["--problem", "p", "--runner", "unittest", "--recipe", "python-stdlib", "--repo", "a/shop", "--out"]);
    expect_exit(import.arg(home.path("out")), 0);
    let repository = home.path("out/repos/a__shop.git");
    let objects = || walkdir::WalkDir::new(&repository).into_iter().count();
    let before = objects();
    fs::set_permissions(home.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(home.path("own")).unwrap();
    give_away(&home.path("own"));
    let (folder, out) = (home.path("own"), home.path("out"));
    let as_user = |user: u32, arguments: &[&Path]| {
        let mut command = Command::new(&binary);
        command.args(arguments).arg("--json").env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", &folder);
        command.env("ASSAY_CACHE", folder.join("cache")).env("ASSAY_SANDBOX", "cell");
        command.current_dir(&folder).uid(user).gid(user);
        expect_exit(&mut command, 0).stdout
    };
    let validate = |user: u32, run: &str| {
        let said = as_user(user, &["validate".as_ref(), &out, "--run".as_ref(), run.as_ref()]);
        serde_json::from_slice::<Value>(&said).unwrap()
    };
    let first = validate(12_345, "run");
    assert_eq!(first["fail_to_pass"], serde_json::json!(["tests/test_shop.py::Prices::test_price"]));
    assert!(first["canaries"]["tree"].is_string(), "a tree was made");
    assert_eq!(validate(12_345, "run"), first, "what was made is found again");
    assert_eq!(objects(), before, "nothing was written to the repository");
    // A repair's tree is in the cache, where the selection finds it.
    let answer = edit("shop.py", "PRICE = 3\n", "PRICE = 4\n");
    let answer = serde_json::json!({"instance_id": first["instance_id"], "skill": "repair", "completion": answer});
    fs::write(home.path("answers.jsonl"), format!("{answer}\n")).unwrap();
    let answers = home.path("answers.jsonl");
    let run = folder.join("run");
    as_user(12_345, &["verify".as_ref(), &out, "--generations".as_ref(), &answers, "--run".as_ref(), &run]);
    as_user(12_345, &["select".as_ref(), &run, "--repos".as_ref(), &out.join("repos")]);
    let selected = lines(&run.join("selection/selection.jsonl"));
    assert_eq!((selected[0]["chosen"].as_u64(), selected[0]["votes"].as_u64()), (Some(0), Some(1)), "{selected:?}");
    assert_eq!(objects(), before, "nothing was written to the repository");
    // Root may write everywhere, and leaves the repositories of others alone.
    give_away(&repository);
    assert_eq!(validate(0, "of-root")["fail_to_pass"], first["fail_to_pass"]);
    assert_eq!(objects(), before, "root wrote nothing to it either");
}

fn replaced_commits_are_refused_and_replacements_are_said() {
    let home = Home::new();
    let origin = home.path("origin");
    let (path, base, fix) = (origin.display(), &home.base, &home.fix);
    fs::write(origin.join("shop.py"), "PRICE = 1\n").unwrap();
    git(&origin, &["commit", "--quiet", "--all", "--message", "other"]);
    let other = git(&origin, &["rev-parse", "HEAD"]);
    git(&origin, &["replace", base, &other]);
    let told = home.refused(&origin, base, fix);
    assert_eq!(
        told,
        format!(
            "git reads {other} in the place of {base} (refs/replace of {path}), and assay follows no replacement; name the one that \
             is meant, or remove the replacement with `git -C {path} replace -d {base}`"
        )
    );
    let (_, said) = home.imported(&origin, fix, &other);
    assert_eq!(
        said,
        [format!(
            "replacements of the repository are not followed, and `git -C {path} replace -l` lists them; name commits by their ids"
        )]
    );
    run(shown_in(&told));
    assert_eq!(home.imported(&origin, base, fix).1, Vec::<String>::new());
}

fn names_that_look_like_options_are_names() {
    let home = Home::new();
    let origin = home.path("origin");
    git(&origin, &["update-ref", "refs/heads/--out", &home.base]);
    git(&origin, &["update-ref", "refs/tags/-x", &home.fix]);
    let (instance, _) = home.imported(&origin, "--out", "-x");
    assert_eq!(instance["source"]["base"], home.base.as_str());
    assert_eq!(instance["source"]["fix"], home.fix.as_str());
    let mut command = assay();
    command.args(["import", "git", "--problem", "p", "--out", "o"]).arg(&origin).args(["-x", "main"]);
    let said = stderr(&expect_exit(&mut command, 1));
    assert!(said.contains("use '-- -x'"), "{said}");
}

fn the_version_is_that_of_the_nearest_tag() {
    let home = Home::new();
    let origin = home.path("origin");
    let version = || home.imported(&origin, &home.base, &home.fix).0["version"].clone();
    assert_eq!(version(), Value::Null);
    git(&origin, &["tag", "tested"]);
    git(&origin, &["tag", "v1.4.2", &home.base]);
    git(&origin, &["tag", "v1.5.0", &home.fix]);
    assert_eq!(version(), "1.4.2");
}

fn what_is_no_repository_that_can_be_read_is_refused_in_one_sentence() {
    let home = Home::new();
    let origin = home.path("origin");
    let refused = |place: &Path| home.refused(place, "HEAD~1", "HEAD");
    let shown = |place: &Path| place.display().to_string();

    let inside = home.path("origin/tests");
    let told = format!(
        "{} is a folder inside the repository {}; name that, because a commit holds its whole tree",
        shown(&inside),
        shown(&origin)
    );
    assert_eq!(refused(&inside), told);

    let plain = home.path("plain");
    fs::create_dir(&plain).unwrap();
    let told = "is not a git repository; name the folder of a clone, or use `assay import folders` for two trees";
    assert_eq!(refused(&plain), format!("{} {told}", shown(&plain)));

    let gone = home.path("gone");
    assert_eq!(refused(&gone), format!("{} is not there; name the folder of a clone", shown(&gone)));

    let bundle = home.path("a.bundle");
    git(&origin, &["bundle", "create", "--quiet", "../a.bundle", "HEAD"]);
    let told =
        format!("is a file; name the folder of a clone (of a bundle, `git clone {} FOLDER` makes one)", shown(&bundle));
    assert_eq!(refused(&bundle), format!("{} {told}", shown(&bundle)));

    let empty = home.path("empty");
    git(home.folder.path(), &["init", "--quiet", "empty"]);
    let told = "it has no commit yet; commit both trees there, or use `assay import folders`";
    assert_eq!(refused(&empty), format!("commit HEAD~1 is not in {}; {told}", shown(&empty)));

    let told = "fetch it there, or correct its name (of an instance: base_commit)";
    assert_eq!(home.refused(&origin, "v1", "HEAD"), format!("commit v1 is not in {}; {told}", shown(&origin)));

    let longer = Home::with(&["init", "--quiet", "--object-format=sha256"], |_| {});
    let place = longer.path("origin");
    assert_eq!(
        longer.refused(&place, "HEAD~1", "HEAD"),
        format!(
            "{0} names its objects by sha256, which cannot be read; write both trees out, for example with `git -C {0} worktree add \
             --detach FOLDER COMMIT`, and use `assay import folders`",
            shown(&place)
        )
    );
    let tables = command("git")
        .arg("-C")
        .arg(home.folder.path())
        .args(["init", "--quiet", "--ref-format=reftable", "tables"])
        .output();
    // An older git knows no such format.
    if tables.unwrap().status.success() {
        let place = home.path("tables");
        git(&place, &["commit", "--quiet", "--allow-empty", "--message", "a"]);
        let told = refused(&place);
        assert_eq!(
            told,
            format!(
                "{0} keeps its refs as reftable, which cannot be read; `git clone --ref-format=files {0} FOLDER` makes a clone that can",
                shown(&place)
            )
        );
        let clone = home.path("files");
        run(&shown_in(&told).replace("FOLDER", &shown(&clone)));
        assert!(refused(&clone).starts_with("commit HEAD~1 is not in"), "it can be read");
    }
}
