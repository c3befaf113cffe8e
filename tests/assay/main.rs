//! Integration tests: one file per command or behaviour, one binary so that everything is linked once.

mod harness;
mod hub;
mod model_server;
mod samples;
mod small_world;
mod start_up;
mod support;

mod admission;
mod answer_fuzz;
mod architecture;
mod audit;
mod bad_input;
mod builds;
mod bundle;
mod canary;
mod cell;
mod changed_tests;
mod clones;
mod container;
mod corpora;
mod corpora_tables;
mod curriculum;
mod declared;
mod deep;
mod demo;
mod demo_offline;
mod docker_cell;
mod export;
mod fake_engine;
mod faults;
mod flaky;
mod flood;
mod framework;
mod frozen;
mod full_disk;
mod full_run;
mod generated_tests;
mod go;
mod intake;
mod kill;
mod lost_files;
mod lost_tests;
mod many_instances;
mod misbehaviour;
mod mixer;
mod names;
mod oddities;
mod ordered;
mod outputs;
mod own_suite;
mod plain;
mod poisoned;
mod policy;
mod prompt;
mod publish;
mod publish_edges;
mod ready_image;
mod recipe;
mod release_pairs;
mod report;
mod reuse;
mod reward_functions;
mod runner_aware;
mod sample;
mod sample_errors;
mod sandboxes;
mod schemas;
mod select;
mod serve;
mod serve_bodies;
mod serve_connections;
mod serve_limits;
mod serve_support;
mod tampering;
mod toy;
mod traces;
mod unpacked_image;
mod warm_up;

fn main() -> std::process::ExitCode {
    // Commands that run in this process start their slot agent from this binary, as `assay` does.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "cell-agent") {
        return assay_agent::agent::main();
    }
    harness::run(&[
        admission::TESTS,
        architecture::TESTS,
        audit::TESTS,
        bad_input::TESTS,
        builds::TESTS,
        bundle::TESTS,
        canary::TESTS,
        cell::ends::TESTS,
        cell::limits::TESTS,
        cell::TESTS,
        cell::touched::TESTS,
        changed_tests::TESTS,
        clones::TESTS,
        container::TESTS,
        corpora::TESTS,
        corpora_tables::TESTS,
        curriculum::TESTS,
        declared::TESTS,
        deep::TESTS,
        demo::TESTS,
        demo_offline::TESTS,
        docker_cell::TESTS,
        export::TESTS,
        fake_engine::TESTS,
        faults::TESTS,
        flaky::TESTS,
        flood::TESTS,
        framework::TESTS,
        frozen::TESTS,
        full_disk::TESTS,
        full_run::TESTS,
        generated_tests::TESTS,
        go::TESTS,
        intake::TESTS,
        kill::TESTS,
        lost_files::TESTS,
        lost_tests::TESTS,
        many_instances::TESTS,
        misbehaviour::TESTS,
        names::TESTS,
        oddities::TESTS,
        ordered::TESTS,
        outputs::TESTS,
        own_suite::TESTS,
        plain::TESTS,
        poisoned::TESTS,
        policy::TESTS,
        prompt::TESTS,
        publish::TESTS,
        publish_edges::TESTS,
        ready_image::TESTS,
        recipe::TESTS,
        release_pairs::TESTS,
        report::TESTS,
        reuse::TESTS,
        reward_functions::TESTS,
        runner_aware::TESTS,
        sample::TESTS,
        sample_errors::TESTS,
        sandboxes::TESTS,
        schemas::TESTS,
        select::TESTS,
        serve::TESTS,
        serve_bodies::TESTS,
        serve_connections::TESTS,
        serve_limits::TESTS,
        start_up::TESTS,
        tampering::TESTS,
        toy::TESTS,
        traces::TESTS,
        unpacked_image::TESTS,
        warm_up::TESTS,
    ])
}
