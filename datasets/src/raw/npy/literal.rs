//! The subset of Python literals that NumPy writes in a header: a dict of strings to strings,
//! booleans, tuples of integers, and (for records, which are refused) lists.

/// A value of the dict.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Bool(bool),
    Tuple(Vec<u64>),
    /// A list: the fields of a record type. Its content is not looked at.
    List,
}

/// Where parsing stopped, and what was expected there.
type Failure = (usize, &'static str);

/// Parses the whole of `text`: one dict, blanks around it.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<(String, Value)>, Failure> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.expect(b'{', "'{'")?;
    let mut entries = Vec::new();
    while !cursor.eat(b'}') {
        let key = cursor.string()?;
        cursor.expect(b':', "':'")?;
        entries.push((key, cursor.value()?));
        if !cursor.eat(b',') {
            cursor.expect(b'}', "',' or '}'")?;
            break;
        }
    }
    cursor.skip_blanks();
    if cursor.at < text.len() { Err((cursor.at, "the end of the header")) } else { Ok(entries) }
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, name: &'static str) -> Result<(), Failure> {
        if self.eat(byte) { Ok(()) } else { Err((self.at, name)) }
    }

    fn word(&mut self, word: &str) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let found = rest.starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn string(&mut self) -> Result<String, Failure> {
        self.skip_blanks();
        let begin = self.at;
        let failure = (begin, "a quoted string");
        let quote = self.peek().filter(|q| matches!(q, b'\'' | b'"')).ok_or(failure)?;
        let rest = self.text.get(begin + 1..).unwrap_or_default();
        let length = rest.iter().position(|&b| b == quote).ok_or(failure)?;
        self.at = begin + length + 2;
        let content = rest.get(..length).unwrap_or_default();
        String::from_utf8(content.to_vec()).map_err(|_| failure)
    }

    fn value(&mut self) -> Result<Value, Failure> {
        self.skip_blanks();
        match self.peek() {
            Some(b'\'' | b'"') => self.string().map(Value::Text),
            Some(b'(') => self.tuple().map(Value::Tuple),
            Some(b'[') => self.list(),
            _ if self.word("True") => Ok(Value::Bool(true)),
            _ if self.word("False") => Ok(Value::Bool(false)),
            _ => Err((self.at, "a string, True, False or a tuple")),
        }
    }

    fn tuple(&mut self) -> Result<Vec<u64>, Failure> {
        self.expect(b'(', "'('")?;
        let mut values = Vec::new();
        while !self.eat(b')') {
            values.push(self.integer()?);
            if !self.eat(b',') {
                self.expect(b')', "',' or ')'")?;
                break;
            }
        }
        Ok(values)
    }

    fn integer(&mut self) -> Result<u64, Failure> {
        self.skip_blanks();
        let begin = self.at;
        let mut value: Option<u64> = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            let next = value.unwrap_or(0).checked_mul(10);
            let next = next.and_then(|v| v.checked_add(u64::from(digit - b'0')));
            value = Some(next.ok_or((begin, "an integer below 2^64"))?);
            self.at += 1;
        }
        // Python 2 wrote long integers with an L.
        self.word("L");
        value.ok_or((begin, "an integer"))
    }

    /// Skips a list, nested brackets included; strings hold none in what NumPy writes.
    fn list(&mut self) -> Result<Value, Failure> {
        let begin = self.at;
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'[' => depth += 1,
                b']' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(Value::List);
            }
        }
        Err((begin, "a list that ends"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_numpy() {
        let entries =
            parse(b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4L), }   \n").unwrap();
        assert_eq!(
            entries,
            [
                ("descr".into(), Value::Text("<f4".into())),
                ("fortran_order".into(), Value::Bool(false)),
                ("shape".into(), Value::Tuple(vec![3, 4])),
            ]
        );
        assert_eq!(parse(b"{\"a\": [('x', '<f4', (2,)), ('y', [])]}").unwrap()[0].1, Value::List);
        assert_eq!(parse(b"{}").unwrap(), []);
    }

    #[test]
    fn failures_say_where() {
        for (text, at) in [
            (&b""[..], 0),
            (b"{'a'", 4),
            (b"{'a': (1, 99999999999999999999)}", 10),
            (b"{'a': True} x", 12),
            (b"{'a': [[]", 6),
            (b"{'a': None}", 6),
        ] {
            assert_eq!(parse(text).unwrap_err().0, at, "{}", text.escape_ascii());
        }
    }
}
