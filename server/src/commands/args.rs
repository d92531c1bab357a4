//! How values on the command line are read: names, schemas, vectors, decays. A value that can't
//! be read is a mistake in usage (exit status 2); one that doesn't suit the collection is not.

use std::str::FromStr;
use std::time::Duration;

use arrow_cast::parse::string_to_timestamp_nanos;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use nearfield::{
    AttributeType, Boost, Decay, IdType, Ids, Result as CoreResult, STRING_ID_BYTES_MAX, Schema,
};

/// A parser of values that have one name in every interface; `--help` lists the names.
pub fn named<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = nearfield::Error> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

/// The names of these values.
pub fn names<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|value| name(*value)).collect()
}

/// Reads `title:text,subreddit:keyword`.
pub fn schema(text: &str) -> CoreResult<Schema> {
    let columns = text.split(',').map(|column| {
        let (name, kind) = column.split_once(':').ok_or_else(|| {
            let expected = "NAME:TYPE,NAME:TYPE,...";
            nearfield::Error::invalid("schema", expected, format!("{column:?}"), "")
        })?;
        Ok((name.trim().to_owned(), kind.trim().parse::<AttributeType>()?))
    });
    Schema::new(columns.collect::<CoreResult<Vec<_>>>()?)
}

/// Reads one component of a vector.
pub fn component(text: &str) -> Result<f32, String> {
    match text.trim().parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => {
            Err("expected finite numbers with commas between them, for example 0.1,-2,3e-4".into())
        }
    }
}

/// Reads a length of time.
pub fn time(text: &str) -> Result<Duration, &'static str> {
    let time = humantime::parse_duration(text).ok().filter(|time| *time > Duration::ZERO);
    time.ok_or("expected a time above zero like 50ms, 6h or 7d")
}

/// Reads `created_utc:6h`, `created_utc:6h:0.3` or `created_utc:6h:0.3:2013-08-19T14:15:23Z`.
pub fn decay(text: &str) -> Result<Decay, String> {
    let mut parts = text.splitn(4, ':');
    let (Some(column), Some(half_life)) = (parts.next(), parts.next()) else {
        let shape = "COLUMN:HALF_LIFE[:WEIGHT[:ORIGIN]]";
        return Err(format!("expected {shape}, for example created_utc:6h:0.3"));
    };
    let weight = parts.next().unwrap_or("1");
    let half_life = humantime::parse_duration(half_life)
        .ok()
        .filter(|time| *time > Duration::ZERO)
        .ok_or_else(|| format!("half-life {half_life:?}: expected a time like 30m, 6h or 7d"))?;
    let weight = weight
        .parse::<f64>()
        .ok()
        .filter(|weight| weight.is_finite() && *weight >= 0.0)
        .ok_or_else(|| {
        format!("weight {weight:?}: expected a number of at least 0, like 0.3")
    })?;
    let origin_us = parts.next().map(moment).transpose()?;
    Ok(Decay { column: column.to_owned(), half_life, origin_us, weight })
}

/// Reads `score:0.1` or `score:0.1:log1p`.
pub fn boost(text: &str) -> Result<Boost, String> {
    let shape = "expected COLUMN:WEIGHT[:SCALE], for example score:0.1:log1p";
    let mut parts = text.splitn(3, ':');
    let (Some(column), Some(weight)) = (parts.next(), parts.next()) else {
        return Err(shape.to_owned());
    };
    let weight = weight
        .parse::<f64>()
        .ok()
        .filter(|weight| weight.is_finite() && *weight >= 0.0)
        .ok_or_else(|| {
        format!("weight {weight:?}: expected a number of at least 0, like 0.1")
    })?;
    let scale = parts.next().map(str::parse).transpose();
    let scale = scale.map_err(|error: nearfield::Error| error.to_string())?.unwrap_or_default();
    Ok(Boost { column: column.to_owned(), weight, scale })
}

/// Microseconds since 1970 of an ISO date and time; UTC if it names no zone.
pub fn time_us(text: &str) -> Result<i64, String> {
    let nanos = string_to_timestamp_nanos(text);
    nanos
        .map(|nanos| nanos.div_euclid(1000))
        .map_err(|_| "a date and time like 2013-08-19T14:15:23Z".to_owned())
}

fn moment(text: &str) -> Result<i64, String> {
    time_us(text).map_err(|expected| format!("origin {text:?}: expected {expected}"))
}

/// Ids as the collection has them, from how they are written.
pub fn ids(texts: &[String], id_type: IdType) -> CoreResult<Ids> {
    match id_type {
        IdType::U64 => {
            texts.iter().map(|text| integer_id(text)).collect::<CoreResult<_>>().map(Ids::U64)
        }
        IdType::Str => {
            texts.iter().map(|text| string_id(text)).collect::<CoreResult<_>>().map(Ids::Str)
        }
    }
}

fn integer_id(text: &str) -> CoreResult<u64> {
    text.parse().ok().filter(|id| *id < u64::MAX).ok_or_else(|| {
        let expected = format!("an integer from 0 to {}", u64::MAX - 1);
        let fix = "the ids of this collection are u64";
        nearfield::Error::invalid("id", expected, format!("{text:?}"), fix)
    })
}

fn string_id(text: &str) -> CoreResult<String> {
    if (1..=STRING_ID_BYTES_MAX).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    let expected = format!("1 to {STRING_ID_BYTES_MAX} bytes");
    Err(nearfield::Error::invalid("id", expected, format!("{} bytes", text.len()), ""))
}

#[cfg(test)]
mod tests {
    use nearfield::Scale;

    use super::*;

    #[test]
    fn schemas_keep_their_order() {
        let read = schema("title:text, flair:keyword[],n:i64").expect("a schema");
        let names: Vec<_> = read.columns().iter().map(|(n, t)| format!("{n}:{t}")).collect();
        assert_eq!(names, ["title:text", "flair:keyword[]", "n:i64"]);
    }

    #[test]
    fn bad_schemas_are_refused() {
        for text in ["", "title", "title:string", "id:i64", "a:i64,a:i64"] {
            schema(text).expect_err(text);
        }
    }

    #[test]
    fn decays_have_two_to_four_parts() {
        let read = decay("created_utc:6h:0.3:2013-08-19T14:15:23Z").expect("a decay");
        assert_eq!(read.column, "created_utc");
        assert_eq!(read.half_life, Duration::from_secs(6 * 3600));
        assert_eq!(read.origin_us, Some(1_376_921_723_000_000));
        let short = decay("t:7d").expect("a decay");
        assert_eq!((short.weight, short.origin_us), (1.0, None));
        for text in ["t", "t:0s:1", "t:soon:1", "t:6h:-1", "t:6h:nan", "t:6h:1:then"] {
            decay(text).expect_err(text);
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(time("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for text in ["", "7", "0s", "-1h", "never"] {
            time(text).expect_err(text);
        }
    }

    #[test]
    fn boosts_have_two_or_three_parts() {
        let read = boost("score:0.1:log1p").expect("a boost");
        assert_eq!((read.column.as_str(), read.weight, read.scale), ("score", 0.1, Scale::Log1p));
        assert_eq!(boost("score:2").expect("a boost").scale, Scale::Linear);
        for text in ["score", "score:", "score:-1", "score:nan", "score:1:cube"] {
            boost(text).expect_err(text);
        }
    }

    #[test]
    fn components_are_finite() {
        assert_eq!(component(" -3e-4"), Ok(-3e-4));
        for text in ["nan", "inf", "1e39", "x", ""] {
            component(text).expect_err(text);
        }
    }

    #[test]
    fn ids_suit_the_collection() {
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(ids(&texts(&["7"]), IdType::U64).expect("ids"), Ids::U64(vec![7]));
        assert_eq!(ids(&texts(&["7"]), IdType::Str).expect("ids"), Ids::Str(texts(&["7"])));
        for text in ["t3_a", "-1", "18446744073709551615", ""] {
            ids(&texts(&[text]), IdType::U64).expect_err(text);
        }
        ids(&texts(&[""]), IdType::Str).expect_err("empty");
    }
}
