//! What a search found.

use std::ops::Range;

use crate::v1;
use crate::v1::column::Values;
use crate::{Error, Id, Ids, Result};

/// The hits of one query, best first.
#[derive(Debug, Clone)]
pub struct Hits {
    /// Their ids.
    pub ids: Ids,
    /// What they are ordered by: larger is better.
    pub scores: Vec<f64>,
    /// Larger is nearer.
    pub similarities: Vec<f64>,
    /// Smaller is nearer.
    pub distances: Vec<f64>,
    /// The columns that were asked for, a row a hit.
    pub attributes: Vec<v1::Column>,
    /// The vectors one after the other, if they were asked for.
    pub vectors: Vec<f32>,
    /// How the query was answered, if that was asked for: one entry, else none.
    pub explain: Vec<v1::Explain>,
}

/// One hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its id.
    pub id: Id,
    /// What it is ordered by.
    pub score: f64,
    /// Larger is nearer.
    pub similarity: f64,
    /// Smaller is nearer.
    pub distance: f64,
}

impl Hits {
    /// How many.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// One after the other, best first.
    pub fn iter(&self) -> impl Iterator<Item = Hit> + '_ {
        let numbers = self.scores.iter().zip(&self.similarities).zip(&self.distances);
        numbers.enumerate().filter_map(|(at, ((score, similarity), distance))| {
            let (score, similarity, distance) = (*score, *similarity, *distance);
            Some(Hit { id: self.ids.get(at)?, score, similarity, distance })
        })
    }

    pub(crate) fn of(message: Option<v1::Hits>) -> Result<Self> {
        let message = message.ok_or(Error::Answer("no hits"))?;
        let hits = Self {
            ids: message.ids.unwrap_or_default().into(),
            scores: message.scores,
            similarities: message.similarities,
            distances: message.distances,
            attributes: message.attributes.unwrap_or_default().columns,
            vectors: floats(&message.vectors_f32_le),
            explain: message.explain,
        };
        let lengths = [hits.scores.len(), hits.similarities.len(), hits.distances.len()];
        if lengths.iter().any(|length| *length != hits.ids.len()) {
            return Err(Error::Answer("columns of several lengths"));
        }
        Ok(hits)
    }

    /// Cuts the hits of all queries into those of each.
    pub(crate) fn each(self, counts: &[u32]) -> Result<Vec<Self>> {
        let all: usize = counts.iter().map(|count| *count as usize).sum();
        if all != self.ids.len() {
            return Err(Error::Answer("counts that are not those of the hits"));
        }
        let width = self.vectors.len() / all.max(1);
        let mut at = 0;
        let cut = counts.iter().enumerate().map(|(query, count)| {
            let part = at..at + *count as usize;
            at = part.end;
            let vectors = part.start * width..part.end * width;
            Self {
                ids: match &self.ids {
                    Ids::U64(ids) => Ids::U64(ids[part.clone()].to_vec()),
                    Ids::Str(ids) => Ids::Str(ids[part.clone()].to_vec()),
                },
                scores: self.scores[part.clone()].to_vec(),
                similarities: self.similarities[part.clone()].to_vec(),
                distances: self.distances[part.clone()].to_vec(),
                attributes: self.attributes.iter().map(|c| rows_of(c, &part)).collect(),
                vectors: self.vectors[vectors].to_vec(),
                explain: self.explain.get(query).cloned().into_iter().collect(),
            }
        });
        Ok(cut.collect())
    }
}

/// Some rows of a column.
fn rows_of(column: &v1::Column, rows: &Range<usize>) -> v1::Column {
    fn cut<T: Clone>(values: &[T], rows: &Range<usize>) -> Vec<T> {
        values.get(rows.clone()).unwrap_or_default().to_vec()
    }
    let values = column.values.as_ref().map(|values| match values {
        Values::Strings(list) => {
            Values::Strings(v1::StringList { values: cut(&list.values, rows) })
        }
        Values::StringLists(list) => {
            Values::StringLists(v1::StringLists { values: cut(&list.values, rows) })
        }
        Values::Ints(list) => Values::Ints(v1::I64List { values: cut(&list.values, rows) }),
        Values::Floats(list) => Values::Floats(v1::DoubleList { values: cut(&list.values, rows) }),
        Values::Bools(list) => Values::Bools(v1::BoolList { values: cut(&list.values, rows) }),
        Values::Timestamps(list) => {
            let microseconds = cut(&list.microseconds, rows);
            Values::Timestamps(v1::TimestampList { microseconds })
        }
    });
    let nulls = column.nulls.iter().filter(|null| rows.contains(&(**null as usize)));
    let nulls = nulls.map(|null| null - rows.start as u32).collect();
    v1::Column { name: column.name.clone(), values, nulls }
}

pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_cut_by_their_counts() {
        let numbers = || vec![1.0, 2.0, 3.0];
        let message = v1::Hits {
            ids: Some(Ids::U64(vec![7, 8, 9]).into()),
            scores: numbers(),
            similarities: numbers(),
            distances: numbers(),
            attributes: Some(v1::Attributes {
                columns: vec![v1::Column {
                    name: "n".into(),
                    values: Some(Values::Ints(v1::I64List { values: vec![70, 80, 0] })),
                    nulls: vec![2],
                }],
            }),
            ..v1::Hits::default()
        };
        let hits = || Hits::of(Some(message.clone())).expect("hits");
        let each = hits().each(&[1, 0, 2]).expect("cut");
        let ids: Vec<_> = each.iter().map(|hits| hits.ids.clone()).collect();
        assert_eq!(ids, [Ids::U64(vec![7]), Ids::U64(vec![]), Ids::U64(vec![8, 9])]);
        let column = &each[2].attributes[0];
        assert_eq!(column.values, Some(Values::Ints(v1::I64List { values: vec![80, 0] })));
        assert_eq!(column.nulls, [1]);
        hits().each(&[1, 1]).expect_err("one is left");
        let uneven = v1::Hits { scores: vec![1.0], ..message.clone() };
        Hits::of(Some(uneven)).expect_err("of several lengths");
    }
}
