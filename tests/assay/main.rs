//! Integration tests: one file per command or behaviour, one binary so that everything is linked once.

mod hub;
mod samples;
mod small_world;
mod start_up;
mod support;

mod admission;
mod bad_input;
mod canary;
mod cell;
mod container;
mod corpora;
mod corpora_tables;
mod demo;
mod demo_offline;
mod docker_cell;
mod export;
mod faults;
mod flaky;
mod flood;
mod framework;
mod full_disk;
mod generated_tests;
mod intake;
mod interval;
mod kill;
mod plain;
mod policy;
mod publish;
mod ready_image;
mod runner_aware;
mod sandboxes;
mod schemas;
mod tampering;
mod unpacked_image;
