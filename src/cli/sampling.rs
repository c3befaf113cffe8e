//! How a model is asked: options that a request file and a live endpoint share.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::exit_code::Stop;

/// Sampling parameters; the defaults are those of the SWE-Swiss recipe.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sampling")]
pub struct Sampling {
    /// Further fields of the request's body, as a JSON object, e.g. '{"top_k": 20}'; null leaves a field out, e.g.
    /// '{"temperature": null}'
    #[arg(long, value_name = "JSON")]
    pub body: Option<String>,
    /// Most tokens of one completion
    #[arg(long, default_value_t = 32_768, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_tokens: u64,
    /// Model to ask for, as the endpoint names it
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Samples of each prompt
    #[arg(long, short, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub n: u64,
    /// Seed of the first sample of a prompt; the next ones count up
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..1 << 48))]
    pub seed: Option<u64>,
    #[arg(long, default_value_t = 0.6, value_name = "T")]
    pub temperature: f64,
    #[arg(long, default_value_t = 0.95, value_name = "P")]
    pub top_p: f64,
}

impl Sampling {
    /// The model, which must be named.
    pub fn model(&self) -> anyhow::Result<String> {
        let named = self.model.clone().filter(|model| !model.trim().is_empty());
        Ok(named.ok_or_else(|| Stop::Usage("name the model with --model, as the endpoint names it".to_owned()))?)
    }

    /// Fields of a request's body beside `messages`, `n` and `seed`.
    pub fn parameters(&self) -> anyhow::Result<Map<String, Value>> {
        let mut parameters = Map::new();
        parameters.insert("model".to_owned(), json!(self.model()?));
        parameters.insert("temperature".to_owned(), json!(self.temperature));
        parameters.insert("top_p".to_owned(), json!(self.top_p));
        parameters.insert("max_tokens".to_owned(), json!(self.max_tokens));
        if let Some(text) = &self.body {
            match serde_json::from_str(text) {
                Ok(Value::Object(body))
                    if ["messages", "n", "seed", "stream"].iter().any(|own| body.contains_key(*own)) =>
                {
                    return Err(Stop::Usage("--body must not hold messages, n, seed or stream".to_owned()).into());
                }
                Ok(Value::Object(body)) => parameters.extend(body),
                Ok(_) | Err(_) => {
                    return Err(Stop::Usage(format!("--body is no JSON object: {text}")).into());
                }
            }
        }
        // Endpoints do not agree on what null is.
        parameters.retain(|_, value| !value.is_null());
        Ok(parameters)
    }
}
