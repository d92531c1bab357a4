//! T8: exact similarities of every instruction set against plain sums in f64.
//!
//! The instruction set is that of a process: the test starts itself again for each.

use std::process::Command;

use half::f16;

use super::Isa;
use super::exact::Query;
use super::tests::{Random, report, seed};
use crate::metric::Metric;
use crate::originals::Originals;
use crate::types::Dtype;

const DIMS: usize = 1_100;
/// Of each dimension, type and metric.
const PAIRS: usize = 8;

/// A component as it is stored, and its value.
fn component(dtype: Dtype, random: &mut Random, row: &mut Vec<u8>) -> f64 {
    // Of any size, also tiny and large ones; small whole numbers in a quarter of the cases.
    let bits = random.next();
    let float = match bits % 4 {
        0 => (bits >> 56) as f32 - 128.0,
        1 => ((bits >> 40) as f32 / 8_388_608.0 - 1.0) * f32::powi(2.0, (bits >> 8) as i32 % 12),
        _ => (bits >> 40) as f32 / 8_388_608.0 - 1.0,
    };
    match dtype {
        Dtype::F32 => {
            row.extend_from_slice(&float.to_le_bytes());
            f64::from(float)
        }
        Dtype::F16 => {
            let half = f16::from_f32(float);
            row.extend_from_slice(&half.to_le_bytes());
            half.to_f64()
        }
        Dtype::U8 => {
            row.push(bits as u8);
            f64::from(bits as u8)
        }
        Dtype::I8 => {
            row.push(bits as u8);
            f64::from(bits as u8 as i8)
        }
    }
}

/// The similarity by plain sums, and how far rounding may take another order of adding from it.
fn oracle(metric: Metric, query: &[f32], row: &[f64]) -> (f64, f64) {
    let (mut product, mut distance, mut sizes) = (0.0, 0.0, 0.0);
    let (mut query2, mut row2) = (0.0, 0.0);
    for (q, x) in query.iter().zip(row) {
        let q = f64::from(*q);
        product += q * x;
        sizes += (q * x).abs();
        distance += (q - x) * (q - x);
        query2 += q * q;
        row2 += x * x;
    }
    let rounding = 4.0 * (query.len() + 4) as f64 * f64::EPSILON;
    let norms = query2.sqrt() * row2.sqrt();
    match metric {
        Metric::L2 => (0.0 - distance, rounding * distance),
        Metric::InnerProduct => (product, rounding * sizes),
        Metric::Cosine if norms == 0.0 => (0.0, 0.0),
        Metric::Cosine => ((product / norms).clamp(-1.0, 1.0), rounding * (1.0 + sizes / norms)),
    }
}

/// By the instruction set of this process; a sum of what came out, the same for all.
fn compare() -> (usize, u64) {
    let mut random = Random(seed());
    let (mut cases, mut bits) = (0, 0_u64);
    for dim in 1..=DIMS {
        for dtype in Dtype::ALL {
            for pair in 0..PAIRS {
                let mut bytes = Vec::with_capacity(4 * dim);
                let row: Vec<f64> =
                    (0..dim).map(|_| component(*dtype, &mut random, &mut bytes)).collect();
                let mut own = Vec::new();
                let query: Vec<f32> =
                    (0..dim).map(|_| component(Dtype::F32, &mut random, &mut own) as f32).collect();
                // A row of nothing, now and then.
                let row = if pair == 7 && dim % 16 == 0 { vec![0.0; dim] } else { row };
                if row.iter().all(|x| *x == 0.0) {
                    bytes.fill(0);
                }
                let rows = Originals::new(*dtype, dim, &bytes);
                for metric in Metric::ALL {
                    let prepared = Query::new(metric, &query);
                    let found = prepared.similarity(&rows, 0);
                    let (expected, off) = oracle(metric, &query, &row);
                    assert!(
                        (found - expected).abs() <= off,
                        "{dtype} {metric:?} of {dim}: {found} for {expected}, off by {off}"
                    );
                    let bound = prepared.bound(&rows, 0);
                    assert!(bound >= found - off, "{dtype} {metric:?} of {dim}: {bound}, {found}");
                    bits = bits.rotate_left(5) ^ found.to_bits();
                    cases += 1;
                }
            }
        }
    }
    (cases, bits)
}

#[test]
#[ignore = "the process that the test below starts"]
fn of_this_process() {
    let (cases, bits) = compare();
    println!("compared {cases} {bits:016x}");
}

#[test]
fn exact_similarities_agree_with_plain_sums_on_every_instruction_set() {
    let mut outcomes = Vec::new();
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kernels::exact_tests::of_this_process", "--ignored", "--nocapture"])
            .env("NEARFIELD_ISA", isa.name())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said.lines().find_map(|line| line.split_once("compared "));
        let (cases, bits) = line.and_then(|(_, told)| told.split_once(' ')).unwrap_or_else(|| {
            panic!("{}: {said}{}", isa.name(), String::from_utf8_lossy(&output.stderr))
        });
        report(&format!("{cases} exact similarities on {}", isa.name()));
        assert!(cases.parse::<usize>().unwrap() >= 100_000, "{cases}");
        outcomes.push((isa.name(), bits.to_owned()));
    }
    // The same bits everywhere.
    assert!(outcomes.iter().all(|(_, bits)| *bits == outcomes[0].1), "{outcomes:?}");
}
