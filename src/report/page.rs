//! The HTML around the data: template, style and script, and a policy that runs nothing else.

use std::io::Write;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::overview::View;

const PAGE: &str = include_str!("assets/page.html.jinja");
const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/app.js");

/// What the top of the page says.
#[derive(Debug, Serialize)]
pub struct Head {
    pub title: String,
    /// `run.json`, as far as it is for people.
    pub sandbox: String,
    pub tool: String,
    pub repeats: u32,
    /// File name -> sha256.
    pub inputs: Vec<(String, String)>,
    /// A picture that `assay select` wrote, as SVG.
    pub curve: Option<String>,
    /// Of a dataset. Its evidence does not say in which sandbox and by which models it was made.
    pub rows: Option<Rows>,
}

/// What became of the candidates of a dataset.
#[derive(Debug, Serialize)]
pub struct Rows {
    /// Config -> rows.
    pub configs: Vec<(String, u64)>,
    /// Reason -> candidates that are in no row for fine-tuning.
    pub left_out: Vec<(String, u64)>,
}

/// Writes everything up to the data.
pub fn begin(out: &mut impl Write, head: &Head, view: &View) -> anyhow::Result<()> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("page", PAGE).context("the report's own template")?;
    let digest = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    // An image cannot run scripts, whatever it holds.
    let curve = head.curve.as_ref().map(|svg| format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg)));
    let context = minijinja::context! {
        head => Serde(head), view => Serde(view), style => STYLE, script_digest => digest, curve_image => curve,
    };
    let html = environment.get_template("page")?.render(context).context("cannot render the report")?;
    out.write_all(html.as_bytes())?;
    Ok(())
}

/// Writes the script that reads the data, and the end of the page.
pub fn end(out: &mut impl Write) -> std::io::Result<()> {
    write!(out, "<script>{SCRIPT}</script>\n</body>\n</html>\n")
}
