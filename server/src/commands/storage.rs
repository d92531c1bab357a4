//! How a new collection is stored: the flags that `create` and `load` share.

use nearfield::{CollectionConfig, Dtype, Durability, IndexKind, MemoryMode, Profile, Space};

use super::args::{named, names};

/// What is not given is as [`CollectionConfig::new`] has it, or as the data suggests.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Storage of a new collection")]
pub struct Storage {
    /// The embedding space; a query that states another is refused
    #[arg(long, value_name = "NAME@VERSION")]
    space: Option<Space>,
    /// How the original vectors are stored [default: f32, or as in the file that is loaded]
    #[arg(long, value_parser = named::<Dtype>(names(Dtype::ALL, Dtype::name)))]
    dtype: Option<Dtype>,
    /// Memory against speed [default: balanced]
    #[arg(long, value_parser = named::<Profile>(names(Profile::ALL, Profile::name)))]
    profile: Option<Profile>,
    /// Which graph sealed segments hold [default: graph]
    #[arg(long, value_parser = named::<IndexKind>(names(IndexKind::ALL, IndexKind::name)))]
    index: Option<IndexKind>,
    /// When a write is acknowledged [default: sync]
    #[arg(long, value_parser = named::<Durability>(names(Durability::ALL, Durability::name)))]
    durability: Option<Durability>,
    /// Where segments live while open [default: mapped]
    #[arg(long, value_parser = named::<MemoryMode>(names(MemoryMode::ALL, MemoryMode::name)))]
    memory: Option<MemoryMode>,
    /// Seed of everything random in a build [default: 0]
    #[arg(long)]
    seed: Option<u64>,
}

impl Storage {
    /// Puts what was given into `config`.
    pub fn apply(&self, config: &mut CollectionConfig) {
        config.space = self.space.clone().or(config.space.take());
        config.dtype = self.dtype.unwrap_or(config.dtype);
        config.profile = self.profile.unwrap_or(config.profile);
        config.index = self.index.unwrap_or(config.index);
        config.durability = self.durability.unwrap_or(config.durability);
        config.memory = self.memory.unwrap_or(config.memory);
        config.seed = self.seed.unwrap_or(config.seed);
    }

    /// The first flag that was given, if any.
    pub fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--space", self.space.is_some()),
            ("--dtype", self.dtype.is_some()),
            ("--profile", self.profile.is_some()),
            ("--index", self.index.is_some()),
            ("--durability", self.durability.is_some()),
            ("--memory", self.memory.is_some()),
            ("--seed", self.seed.is_some()),
        ];
        flags.into_iter().find_map(|(flag, given)| given.then_some(flag))
    }
}
