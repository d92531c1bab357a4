//! Logarithm and exponential from exact operations only, so that every platform agrees on every
//! bit. Good to about 1e-15 relative, which is more than test data needs.

use std::f64::consts::{LN_2, SQRT_2};

const MANTISSA_BITS: u32 = 52;
const BIAS: i64 = 1023;

/// Natural logarithm of a positive, normal, finite number.
pub(crate) fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> MANTISSA_BITS) as i64 - BIAS;
    let mut mantissa =
        f64::from_bits((bits & ((1 << MANTISSA_BITS) - 1)) | ((BIAS as u64) << MANTISSA_BITS));
    if mantissa > SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    // ln m = 2 artanh t with |t| <= 0.172: eleven terms leave less than one unit in the last place.
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let square = t * t;
    let series = (0..11).rev().fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    2.0 * t * series + exponent as f64 * LN_2
}

/// e to the power of `x`, for results that are normal numbers.
pub(crate) fn exp(x: f64) -> f64 {
    let power = (x / LN_2 + 0.5).floor().clamp(-1022.0, 1023.0);
    let rest = x - power * LN_2;
    // |rest| <= 0.35: fifteen terms of the series, innermost first.
    let series = (1..16).rev().fold(1.0, |sum, k| 1.0 + rest / f64::from(k) * sum);
    series * f64::from_bits(((power as i64 + BIAS) as u64) << MANTISSA_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agree_with_the_library_functions() {
        let mut x = 1e-300;
        while x < 1e300 {
            let (found, expected) = (ln(x), x.ln());
            assert!((found - expected).abs() <= 4e-15 * expected.abs().max(0.1), "ln {x}");
            let back = exp(expected);
            assert!((back / x - 1.0).abs() < 3e-13, "exp {expected}: {back}");
            x *= 1.7;
        }
        assert_eq!(ln(1.0).to_bits(), 0);
        assert_eq!(exp(0.0).to_bits(), 1f64.to_bits());
    }
}
