//! Prompts: what the model is asked, per skill, and how its answer is taken apart.

pub mod render;
