//! What a person reads who got a filter wrong, and texts that no person wrote.

use super::{LIST_MAX, TEXT_BYTES_MAX, WORDS_MAX, compile};
use crate::types::{AttributeType, IdType, Schema};

fn schema() -> Schema {
    let columns = [
        ("subreddit", AttributeType::Keyword),
        ("flair", AttributeType::KeywordList),
        ("score", AttributeType::I64),
        ("ratio", AttributeType::F64),
        ("over_18", AttributeType::Bool),
        ("created_utc", AttributeType::Timestamp),
        ("title", AttributeType::Text),
        ("in", AttributeType::I64),
    ];
    Schema::new(columns.map(|(name, kind)| (name.to_owned(), kind))).unwrap()
}

fn error(text: &str) -> String {
    match compile(text, &schema(), IdType::U64) {
        Ok(plan) => panic!("{text:?} was taken: {plan:?}"),
        Err(error) => error.to_string(),
    }
}

fn good(text: &str) {
    compile(text, &schema(), IdType::U64).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn what_is_taken() {
    for text in [
        "subreddit IN ('aww','cats') AND NOT over_18 AND created_utc > TIMESTAMP '2013-01-01 00:00:00'",
        "over_18",
        "(score) > (5) AND (((subreddit))) IN ('a')",
        "(((over_18)))",
        "NOT NOT over_18 = true",
        "score BETWEEN -5 AND +5 OR score not between 7 and 8",
        "score = 1 AND ratio <= 1e-3 OR ratio >= .5",
        "subreddit LIKE 'ask%' or subreddit not like '%it''s%'",
        "flair HAS 'x' AND flair has any ('x', 'y') AND NOT flair NOT HAS 'z'",
        "created_utc >= now() - INTERVAL '7 days' + interval '1 hour'",
        "created_utc > '2013-01-31'",
        "'2013-01-31' <= created_utc -- a remark",
        "id IN (1, 2, 3) and id <> 7",
        "\"in\" IN (1)",
        "subreddit IS NOT NULL AND score IS NULL",
        "score = 99999999999999999999999999999999999999999999",
        "TRUE AND NOT FALSE OR NULL",
        "subreddit\n=\n\t'ä'",
    ] {
        good(text);
    }
}

/// Text, and what is shown.
const WRONG: &[(&str, &str)] = &[
    (
        "subredit = 'aww' AND score > 10",
        "filter: unknown column \"subredit\"; did you mean \"subreddit\"?
  subredit = 'aww' AND score > 10
  ^^^^^^^^",
    ),
    (
        "over_18 AND author = 'x'",
        "filter: unknown column \"author\"; the columns are subreddit, flair, score, ratio, over_18, \
         created_utc, title, in, id
  over_18 AND author = 'x'
              ^^^^^^",
    ),
    (
        "score > 'ten'",
        "filter: expected a number, as \"score\" is an i64 column, found the text 'ten'
  score > 'ten'
          ^^^^^",
    ),
    (
        "subreddit IN ('aww', 5)",
        "filter: expected a text in single quotes, as \"subreddit\" is a keyword column, found the \
         number 5
  subreddit IN ('aww', 5)
                       ^",
    ),
    (
        "created_utc > 'yesterday'",
        "filter: expected a time such as '2013-01-31 14:15:00', '2013-01-31' or \
         '2013-01-31T14:15:00Z', found 'yesterday'
  created_utc > 'yesterday'
                ^^^^^^^^^^^",
    ),
    (
        "created_utc > TIMESTAMP '2013-02-30'",
        "filter: expected a time such as '2013-01-31 14:15:00', '2013-01-31' or \
         '2013-01-31T14:15:00Z', found '2013-02-30'
  created_utc > TIMESTAMP '2013-02-30'
                ^^^^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "created_utc > 1376921723",
        "filter: expected a time such as TIMESTAMP '2013-01-31 14:15:00', as \"created_utc\" is a \
         timestamp column, found the number 1376921723
  created_utc > 1376921723
                ^^^^^^^^^^",
    ),
    (
        "created_utc > now() - INTERVAL '2 months'",
        "filter: expected a length of time such as '7 days' or '1 hour 30 minutes' (microseconds to \
         weeks), found '2 months'
  created_utc > now() - INTERVAL '2 months'
                        ^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "title = 'x'",
        "filter: expected a column to filter by, found \"title\", a text column, which is stored and \
         returned only; keep what filters need in a keyword column
  title = 'x'
  ^^^^^",
    ),
    (
        "flair = 'x'",
        "filter: expected HAS or HAS ANY, as \"flair\" is a keyword[] column; for example flair HAS 'x'
  flair = 'x'
  ^^^^^",
    ),
    (
        "subreddit HAS 'x'",
        "filter: expected a keyword[] column before HAS, found \"subreddit\", a keyword column; use = \
         or IN
  subreddit HAS 'x'
  ^^^^^^^^^",
    ),
    (
        "subreddit = \"aww\"",
        "filter: expected a value, found the name \"aww\"; a text goes in single quotes: 'aww'
  subreddit = \"aww\"
              ^^^^^",
    ),
    (
        "score > in",
        "filter: expected a column or a value, found IN; a column of that name goes in double quotes
  score > in
          ^^",
    ),
    (
        "score",
        "filter: expected a comparison; a column by itself must be a bool, found \"score\" alone, an \
         i64 column
  score
  ^^^^^",
    ),
    (
        "score > ratio",
        "filter: expected a value; a column is compared with values, not with another column, found \
         the column \"ratio\"
  score > ratio
          ^^^^^",
    ),
    (
        "score > 5 AN over_18",
        "filter: expected an operator, AND or OR, found AN; did you mean AND?
  score > 5 AN over_18
            ^^",
    ),
    (
        "score > 5 AND",
        "filter: expected a column or a value, found the end of the text
  score > 5 AND
               ^",
    ),
    (
        "(score > 5",
        "filter: expected AND, OR or ), found the end of the text
  (score > 5
            ^",
    ),
    (
        "subreddit = 'aww",
        "filter: expected a ' at the end of the text in quotes; a quote inside is written ''
  subreddit = 'aww
              ^",
    ),
    (
        "lower(subreddit) = 'aww'",
        "filter: expected a column; the only function is now(), found a function lower
  lower(subreddit) = 'aww'
  ^^^^^",
    ),
    (
        "subreddit ILIKE 'A%'",
        "filter: expected LIKE, found ILIKE; LIKE tells capitals from small letters, and there is no \
         other
  subreddit ILIKE 'A%'
            ^^^^^",
    ),
    (
        "score IN ()",
        "filter: expected at least one value, found `)`
  score IN ()
            ^",
    ),
    (
        "score IS 5",
        "filter: expected NULL or NOT NULL after IS, found `5`
  score IS 5
           ^",
    ),
    (
        "over_18 < TRUE",
        "filter: expected = or !=; true and false have no order
  over_18 < TRUE
  ^^^^^^^^^^^^^^",
    ),
    (
        "0 < score < 10",
        "filter: expected AND or OR, as a comparison has two sides, found `<`
  0 < score < 10
            ^",
    ),
    (
        "5 IN (1, 2)",
        "filter: expected a column before IN, found a value
  5 IN (1, 2)
  ^",
    ),
    (
        "1 < 2",
        "filter: expected a column on one side, found a value on either
  1 < 2
  ^^^^^",
    ),
    (
        "created_utc > now() - 7",
        "filter: expected INTERVAL, such as INTERVAL '7 days', after + or -, found a value
  created_utc > now() - 7
                        ^",
    ),
    (
        "score > 5 AND ratio + 1 > 2",
        "filter: expected a column on one side, found a sum on either
  score > 5 AND ratio + 1 > 2
                ^^^^^^^^^^^^^",
    ),
    (
        "id > 5",
        "filter: expected =, != or IN after id; ids have no other comparison
  id > 5
  ^^",
    ),
    (
        "score > 5\n  AND ratio > 'x'",
        "filter: expected a number, as \"ratio\" is an f64 column, found the text 'x'
    AND ratio > 'x'
                ^^^",
    ),
    (
        "  ",
        "filter: expected a condition, found nothing; leave the filter out to have all
  \u{20}
  ^",
    ),
];

#[test]
fn what_is_wrong_is_shown_and_what_was_meant() {
    for (text, expected) in WRONG {
        let expected = expected.replace("\n  \u{20}\n", "\n  \n");
        assert_eq!(error(text), expected);
    }
}

#[test]
fn limits_are_stated() {
    let nested = |depth| format!("{}over_18{}", "(".repeat(depth), ")".repeat(depth));
    good(&nested(64));
    let deep = error(&nested(65));
    assert!(deep.contains("at most 64 levels of parentheses and NOT"), "{deep}");
    assert!(error(&nested(1_000)).contains("at most 64 levels"));
    good(&format!("{} over_18", "NOT ".repeat(64)));
    assert!(error(&format!("{} over_18", "NOT ".repeat(65))).contains("at most 64 levels"));

    let list = |count: usize| format!("score IN (1{})", ",1".repeat(count - 1));
    good(&list(LIST_MAX));
    assert!(error(&list(LIST_MAX + 1)).contains("at most 65536 values in a list"));

    let sum = |count: usize| format!("created_utc > now(){}", " - INTERVAL '1 day'".repeat(count));
    good(&sum(16));
    assert!(error(&sum(17)).contains("at most 16 intervals"));

    // "over_18" and then " or over_18".
    good(&format!("over_18{}", " or over_18".repeat(WORDS_MAX / 2 - 1)));
    let long = error(&format!("over_18{}", " or over_18".repeat(WORDS_MAX / 2 + 1)));
    assert!(long.contains("at most 4096 words and operators"), "{long}");
    assert!(long.lines().all(|line| line.len() < 120), "{long}");

    let huge = error(&format!("score = {}", "1".repeat(TEXT_BYTES_MAX)));
    assert!(huge.contains("at most 1048576 bytes, found 1048584"), "{huge}");
    assert!(huge.lines().all(|line| line.len() < 120), "{huge}");
}

#[test]
fn the_deepest_filters_need_little_stack() {
    let chains = [
        format!("over_18{}", " or over_18".repeat(WORDS_MAX / 2 - 1)),
        format!("1{}", "=1".repeat(WORDS_MAX)),
        format!("created_utc > now(){}", "- INTERVAL '1 day'".repeat(WORDS_MAX / 2 - 2)),
        format!("{}over_18{}", "NOT (".repeat(32), ")".repeat(32)),
        format!("1{}", " or 1".repeat(WORDS_MAX / 2 - 1)),
        format!("(1){}", " or (1)".repeat(WORDS_MAX / 2 - 1)),
        format!("1{}", " - 1".repeat(WORDS_MAX / 2 - 1)),
        "(".repeat(300_000),
        "NOT ".repeat(WORDS_MAX),
        "over_18.".repeat(WORDS_MAX / 2),
        "a collate ".repeat(WORDS_MAX / 2),
    ];
    for text in chains {
        let check = move || drop(compile(&text, &schema(), IdType::Str));
        // A quarter of what threads have.
        let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(check).unwrap();
        thread.join().unwrap();
    }
}

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % sides
    }
}

/// Pieces of filters, and of SQL that filters don't have.
const PIECES: &[&str] = &[
    "score",
    "subreddit",
    "flair",
    "ratio",
    "over_18",
    "created_utc",
    "title",
    "id",
    "x",
    "\"",
    "\"in\"",
    "'",
    "''",
    "'a'",
    "'%'",
    "'2013-01-01'",
    "1",
    "-",
    "1e9",
    "0x1F",
    "1_0",
    ".",
    "..",
    "(",
    ")",
    ",",
    "=",
    "==",
    "!=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "<=>",
    "AND",
    "OR",
    "NOT",
    "IN",
    "IS",
    "NULL",
    "TRUE",
    "FALSE",
    "LIKE",
    "BETWEEN",
    "HAS",
    "ANY",
    "ALL",
    "TIMESTAMP",
    "INTERVAL",
    "now",
    "now()",
    "+",
    "*",
    "/",
    "%",
    "||",
    "::",
    ";",
    "--",
    "/*",
    "*/",
    "$1",
    "?",
    "@",
    "[",
    "]",
    "{",
    "}",
    "`",
    "\\",
    "\0",
    "ä",
    "🦀",
    "\u{2028}",
    "\n",
    "\t",
    "CASE",
    "SELECT",
    "EXISTS",
    "CAST",
    "AT TIME ZONE",
    "COLLATE",
    "N'x'",
    "E'\\n'",
    "b'1'",
    "U&'x'",
];

/// Filters to change a little.
const GOOD: &[&str] = &[
    "subreddit IN ('aww','cats') AND NOT over_18 AND created_utc > TIMESTAMP '2013-01-01 00:00:00'",
    "score BETWEEN -5 AND 5 OR ratio >= .5e-3 AND flair HAS ANY ('x', 'it''s')",
    "created_utc >= now() - INTERVAL '7 days' AND subreddit NOT LIKE 'ask%' OR id IN (1, 2)",
];

/// A text made of pieces of filters, or a good one with bytes changed.
fn text(dice: &mut Dice) -> String {
    if dice.roll(2) == 0 {
        let count = 1 + dice.roll(12);
        let pieces = (0..count).map(|_| PIECES[dice.roll(PIECES.len())]);
        let pieces: Vec<&str> = pieces.collect();
        return pieces.join(if dice.roll(3) == 0 { "" } else { " " });
    }
    let mut chars: Vec<char> = GOOD[dice.roll(GOOD.len())].chars().collect();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(chars.len());
        match dice.roll(4) {
            0 => drop(chars.remove(at)),
            1 => chars.insert(at, char::from(dice.roll(128) as u8)),
            2 => chars[at] = char::from_u32(dice.roll(0x2_0000) as u32).unwrap_or('\u{fffd}'),
            _ => {
                let piece = PIECES[dice.roll(PIECES.len())];
                chars.splice(at..at, piece.chars());
            }
        }
    }
    chars.into_iter().collect()
}

#[test]
fn no_text_does_harm() {
    let schema = schema();
    let (mut taken, mut slowest) = (0, std::time::Duration::ZERO);
    for seed in 1..=20_000_u64 {
        let text = text(&mut Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
        let start = std::time::Instant::now();
        match compile(&text, &schema, IdType::U64) {
            Ok(_) => taken += 1,
            Err(crate::Error::Filter { message, excerpt }) => {
                assert!(message.len() > 8 && !message.contains('\n'), "{text:?}: {message:?}");
                let lines: Vec<&str> = excerpt.split('\n').collect();
                assert!(lines.len() == 2 && lines[1].contains('^'), "{text:?}: {excerpt}");
                assert!(!message.contains("Parser") && !message.contains("No infix"), "{message}");
            }
            Err(other) => panic!("{text:?}: {other}"),
        }
        slowest = slowest.max(start.elapsed());
    }
    // Some mutations leave it a filter; none takes long.
    assert!(taken > 200, "{taken}");
    assert!(slowest.as_secs() < 5, "{slowest:?}");
}
