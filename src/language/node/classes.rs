//! What a path is by its name alone: the rows of JavaScript and TypeScript.

use crate::language::class_table::Kind::{Below, CodeBelow, Name};
use crate::language::class_table::Row;
use crate::model::candidate::PathClass::{BuildConfig, Bytecode, Fixture, RunnerConfig, Startup, Test};

pub(crate) const ROWS: &[Row] = &[
    // Compiled code: it runs instead of the source that a diff shows.
    Row(Name, "*.node *.wasm", Bytecode),
    // What an interpreter or a tool runs on its own, before any test.
    Row(Below, "node_modules", Startup),
    // Runners.
    Row(
        Name,
        "jest.config.* jest.setup.* jest-*.config.* vitest.config.* vitest.workspace.* vitest.setup.*",
        RunnerConfig,
    ),
    Row(
        Name,
        ".mocharc .mocharc.* mocha.opts karma.conf.* ava.config.* playwright.config.* cypress.config.*",
        RunnerConfig,
    ),
    Row(
        Name,
        "vite.config.* babel.config.* .babelrc .babelrc.* .swcrc .npmrc .yarnrc .yarnrc.yml .nycrc .nycrc.* .taprc",
        RunnerConfig,
    ),
    // Tests, and what they read.
    Row(Name, "*.test.* *.spec.* *.e2e.* *.test-d.ts", Test),
    Row(CodeBelow, "__tests__ __test__ __mocks__ test tests spec specs e2e cypress", Test),
    Row(Below, "__tests__ __test__ __mocks__ __snapshots__ __fixtures__ test tests spec specs e2e cypress", Fixture),
    Row(Name, "*.snap", Fixture),
    // How the project is built and packaged. The sealed image was made from base's copy.
    Row(Name, "package.json package-lock.json npm-shrinkwrap.json pnpm-lock.yaml pnpm-workspace.yaml", BuildConfig),
    Row(
        Name,
        "tsconfig*.json jsconfig.json webpack.config.* rollup.config.* lerna.json nx.json turbo.json",
        BuildConfig,
    ),
];
