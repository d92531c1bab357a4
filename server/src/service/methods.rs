//! Every method that can be called, and what it takes. What is not in the table can't be called: a
//! test compares it with the descriptors.

use super::caller::Scope;

/// How long a call may take when it doesn't say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// The server's default, and at most its largest.
    Bounded,
    /// As long as it takes, unless the caller says: a merge.
    Open,
    /// As [`Open`](Self::Open), with messages that come one after the other.
    Stream,
}

/// One method.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// The package and the service.
    pub service: &'static str,
    /// The method.
    pub name: &'static str,
    /// What a caller needs; `None`: anyone, without a token.
    pub scope: Option<Scope>,
    /// How long it may take.
    pub time: Time,
}

const fn method(
    service: &'static str,
    name: &'static str,
    scope: Option<Scope>,
    time: Time,
) -> Method {
    Method { service, name, scope, time }
}

const COLLECTION: &str = "nearfield.v1.CollectionService";
const POINT: &str = "nearfield.v1.PointService";
const SEARCH: &str = "nearfield.v1.SearchService";
const EXCLUSION: &str = "nearfield.v1.ExclusionService";
const ADMIN: &str = "nearfield.v1.AdminService";
const HEALTH: &str = "grpc.health.v1.Health";

const READ: Option<Scope> = Some(Scope::Read);
const WRITE: Option<Scope> = Some(Scope::Write);
const ALL: Option<Scope> = Some(Scope::Admin);

/// The table. Which collections a token is for, the services ask.
pub const METHODS: [Method; 28] = [
    method(SEARCH, "Search", READ, Time::Bounded),
    method(SEARCH, "SearchBatch", READ, Time::Bounded),
    method(SEARCH, "SearchIds", READ, Time::Bounded),
    method(SEARCH, "Recommend", READ, Time::Bounded),
    method(SEARCH, "SearchInterests", READ, Time::Bounded),
    method(POINT, "Upsert", WRITE, Time::Bounded),
    method(POINT, "Update", WRITE, Time::Bounded),
    method(POINT, "Delete", WRITE, Time::Bounded),
    method(POINT, "Get", READ, Time::Bounded),
    method(POINT, "Ingest", WRITE, Time::Stream),
    method(EXCLUSION, "Add", WRITE, Time::Bounded),
    method(EXCLUSION, "Clear", WRITE, Time::Bounded),
    method(COLLECTION, "Create", ALL, Time::Bounded),
    method(COLLECTION, "Get", READ, Time::Bounded),
    method(COLLECTION, "List", READ, Time::Bounded),
    method(COLLECTION, "Drop", ALL, Time::Bounded),
    method(COLLECTION, "SetAlias", ALL, Time::Bounded),
    method(COLLECTION, "Snapshot", ALL, Time::Open),
    method(COLLECTION, "Restore", ALL, Time::Open),
    method(ADMIN, "Stats", READ, Time::Bounded),
    method(ADMIN, "Optimize", ALL, Time::Open),
    method(ADMIN, "Calibrate", ALL, Time::Open),
    method(ADMIN, "Verify", ALL, Time::Open),
    method(HEALTH, "Check", None, Time::Bounded),
    method(HEALTH, "List", None, Time::Bounded),
    method(HEALTH, "Watch", None, Time::Stream),
    method("grpc.reflection.v1.ServerReflection", "ServerReflectionInfo", READ, Time::Stream),
    method("grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo", READ, Time::Stream),
];

/// The method of a request's path, `/service/method`.
pub fn find(path: &str) -> Option<&'static Method> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    METHODS.iter().find(|known| known.name == method && known.service == service)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_method_of_the_package_has_a_scope_and_no_other() {
        let set = FileDescriptorSet::decode(crate::DESCRIPTOR).expect("a descriptor");
        let mut declared = BTreeSet::new();
        for file in set.file.iter().filter(|file| file.package() == "nearfield.v1") {
            for service in &file.service {
                for method in &service.method {
                    declared.insert(format!("/nearfield.v1.{}/{}", service.name(), method.name()));
                }
            }
        }
        let ours = METHODS.iter().filter(|method| method.service.starts_with("nearfield."));
        let listed = ours.map(|m| {
            assert!(m.scope.is_some(), "{}/{} is open to anyone", m.service, m.name);
            format!("/{}/{}", m.service, m.name)
        });
        assert_eq!(listed.collect::<BTreeSet<_>>(), declared);
        assert_eq!(declared.len(), 23);
    }

    #[test]
    fn nothing_else_is_found() {
        find("/nearfield.v1.SearchService/Search").expect("a method");
        for path in ["", "/", "//", "/nearfield.v1.SearchService/search", "/x/Search", "x"] {
            assert!(find(path).is_none(), "{path}");
        }
    }
}
