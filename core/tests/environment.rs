//! Variables of the environment that can't be used are errors at the first handle. Each value
//! needs a process of its own, as what they choose is chosen once.

mod common;

use std::process::Command;

use nearfield::{Collection, Error, Mode, bench};

const TARGET: &str = "NEARFIELD_TEST_ENVIRONMENT_TARGET";

/// Run by the tests below in processes of its own: what creating and opening say.
#[test]
fn create_where_told() {
    let Ok(path) = std::env::var(TARGET) else { return };
    let told = |result: nearfield::Result<Collection>| match result {
        Ok(_) => "fine".to_owned(),
        Err(error @ Error::InvalidArgument { .. }) => error.to_string(),
        Err(error) => panic!("{error:?}"),
    };
    let open = told(common::open(format!("{path}.nf").as_ref(), Mode::Read));
    let memory = told(Collection::in_memory(common::config(4)));
    let create = told(Collection::create(format!("{path}.new"), common::config(4)));
    assert!(open == memory && memory == create);
    std::fs::write(path, create).unwrap();
}

fn told(variables: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("told");
    drop(Collection::create(path.with_extension("nf"), common::config(4)).unwrap());
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "create_where_told"]).env(TARGET, &path);
    for name in
        ["NEARFIELD_ISA", "NEARFIELD_THREADS", "RAYON_NUM_THREADS", "NEARFIELD_MEMORY_LIMIT"]
    {
        child.env_remove(name);
    }
    let output = child.envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let text = std::fs::read_to_string(&path).unwrap();
    let refused = text != "fine";
    assert_eq!(refused, !path.with_extension("new").exists(), "nothing is left of what is refused");
    text
}

#[test]
fn values_that_can_be_used() {
    let (isa, threads, rayon) = ("NEARFIELD_ISA", "NEARFIELD_THREADS", "RAYON_NUM_THREADS");
    for isa in bench::instruction_sets() {
        assert_eq!(told(&[("NEARFIELD_ISA", isa)]), "fine");
    }
    assert_eq!(told(&[]), "fine");
    assert_eq!(told(&[(isa, ""), (threads, " "), (rayon, "")]), "fine");
    assert_eq!(told(&[(threads, "1"), (rayon, "many")]), "fine", "the first one counts");
    assert_eq!(told(&[(threads, "1024")]), "fine");
    assert_eq!(told(&[(rayon, "0")]), "fine", "as rayon has it");
    for value in ["1", "4096", "16GiB", "16 GiB", ""] {
        assert_eq!(told(&[("NEARFIELD_MEMORY_LIMIT", value)]), "fine", "{value}");
    }
}

#[test]
fn values_that_can_not() {
    for value in ["0", "-1", "1025", "4.0", "four", "99999999999999999999"] {
        let text = told(&[("NEARFIELD_THREADS", value)]);
        assert!(text.contains("NEARFIELD_THREADS: expected a number of threads, 1 to 1024"));
        assert!(text.contains(&format!("found {value:?}")), "{text}");
        if value != "0" {
            assert!(told(&[("RAYON_NUM_THREADS", value)]).contains("RAYON_NUM_THREADS"));
        }
    }
    for value in ["0", "8GB", "-1GiB", "lots"] {
        let text = told(&[("NEARFIELD_MEMORY_LIMIT", value)]);
        assert!(text.contains("NEARFIELD_MEMORY_LIMIT: expected bytes"), "{text}");
    }
    for value in ["avx", "AVX2", "neon", "best"] {
        let text = told(&[("NEARFIELD_ISA", value)]);
        let has = bench::instruction_sets().join(", ");
        let expected =
            format!("NEARFIELD_ISA: expected what this machine has ({has}), found {value:?}");
        assert!(text.starts_with(&expected), "{text}");
    }
}
