//! A question to the judge, asked until it is answered.

use crate::judge::Step;
use crate::lab::Lab;
use crate::lab::run::facts::Knowledge;
use crate::model::trial::Trial;

impl Lab<'_> {
    /// Asks the judge, and lets `run` run what it needs, until it answers. After Ctrl-C nothing more is run.
    pub(crate) fn settle<T>(
        &self,
        ask: impl Fn(&Knowledge) -> Step<T>,
        mut run: impl FnMut(&Trial) -> anyhow::Result<()>,
    ) -> anyhow::Result<T> {
        loop {
            match ask(&self.knowledge) {
                Step::Done(answer) => return Ok(answer),
                Step::Needs(trial) => {
                    self.check_interrupt()?;
                    run(&trial)?;
                }
            }
        }
    }
}
