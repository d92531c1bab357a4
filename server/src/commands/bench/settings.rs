//! How hard the measured searches try.

use nearfield::{EFFORT_MAX, Effort};
use serde_json::{Value, json};

use crate::commands::search::recall;

/// The recalls that are asked for when nothing else is.
const RECALLS: [f32; 4] = [0.9, 0.95, 0.98, 0.99];

/// The flags.
#[derive(Debug, clap::Args)]
pub struct SettingArgs {
    /// Recalls to ask for, each above 0 and below 1 [default: 0.9,0.95,0.98,0.99]
    #[arg(long, value_name = "RECALL,...", value_delimiter = ',', value_parser = recall, conflicts_with = "ef")]
    recall: Vec<f32>,
    /// Sizes of the search beam instead of recalls; less than k means k
    #[arg(long, value_name = "EF,...", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=EFFORT_MAX as i64))]
    ef: Vec<u32>,
    /// Measure exact search too, which compares every point
    #[arg(long)]
    exact: bool,
}

impl SettingArgs {
    /// One effort a setting, in the order given, exact search last.
    pub fn efforts(&self) -> Vec<Effort> {
        let mut efforts: Vec<_> = if !self.ef.is_empty() {
            self.ef.iter().map(|ef| Effort::Ef(*ef as usize)).collect()
        } else if !self.recall.is_empty() {
            self.recall.iter().map(|recall| Effort::Recall(*recall)).collect()
        } else {
            RECALLS.map(Effort::Recall).to_vec()
        };
        efforts.extend(self.exact.then_some(Effort::Exact));
        efforts
    }
}

/// For a person: `recall 0.95`, `ef 64` or `exact`.
pub fn text(effort: Effort) -> String {
    match effort {
        Effort::Recall(recall) => format!("recall {recall}"),
        Effort::Ef(ef) => format!("ef {ef}"),
        Effort::Exact => "exact".into(),
    }
}

/// For a machine: the argument of a search that asks for it.
pub fn to_json(effort: Effort) -> Value {
    match effort {
        // As it was written: 0.95 and not the nearest 32-bit float, 0.949999988079071.
        Effort::Recall(recall) => json!({ "recall": recall.to_string().parse::<f64>().ok() }),
        Effort::Ef(ef) => json!({ "ef": ef }),
        Effort::Exact => json!({ "exact": true }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_is_told_as_it_was_written() {
        assert_eq!(text(Effort::Recall(0.95)), "recall 0.95");
        assert_eq!(to_json(Effort::Recall(0.95)).to_string(), r#"{"recall":0.95}"#);
        assert_eq!(to_json(Effort::Ef(64)).to_string(), r#"{"ef":64}"#);
        assert_eq!(to_json(Effort::Exact).to_string(), r#"{"exact":true}"#);
    }
}
