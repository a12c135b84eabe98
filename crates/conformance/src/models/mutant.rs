//! Random model files: a good recipe with a few structural changes, and a few changed bytes at times.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::{Union, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde::{Deserialize, Serialize};

use super::change::{Change, Claim, Part};
use super::gguf::{Gguf, Value};
use super::store::{ModelError, Store};

/// A changed byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Flip {
    /// Offset, counted round the part of the file before the tensors' data.
    pub at: u64,
    /// What the byte is combined with by exclusive or.
    pub with: u8,
}

/// A file as what was done to a good one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mutant {
    /// The recipe.
    pub base: String,
    /// Changes to the structure, in order; one that finds nothing to change does nothing.
    #[serde(with = "serde_yaml::with::singleton_map_recursive")]
    pub changes: Vec<Change>,
    /// Changed bytes.
    pub flips: Vec<Flip>,
}

/// Numbers at which readers go wrong.
const NUMBERS: [u64; 20] = [
    0,
    1,
    2,
    3,
    7,
    31,
    64,
    255,
    256,
    65_535,
    65_536,
    (1 << 24) + 1,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 60,
    1 << 62,
    1 << 63,
    u64::MAX,
];
/// Longest list that is made, so that the suite itself stays small.
const LONGEST: usize = 5000;

impl Mutant {
    /// The mutant of a seed and a number, made from one of these recipes.
    ///
    /// # Errors
    /// When a recipe cannot be used.
    pub fn draw(store: &Store, bases: &[&str], seed: u64, number: u64) -> Result<Self, ModelError> {
        let mut bytes = [1; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&number.to_le_bytes());
        let config = Config { failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let base =
            bases.get(usize::try_from(number).unwrap_or(0) % bases.len().max(1)).copied().unwrap_or_default();
        let gguf = store.base(base)?;
        let flip = (any::<u64>(), 1..=255_u8).prop_map(|(at, with)| Flip { at, with });
        let flips = prop_oneof![
            3 => Just(Vec::new()),
            1 => proptest::collection::vec(flip, 1..6),
        ];
        let strategy = (proptest::collection::vec(change(&gguf), 1..=3), flips);
        let (changes, flips) = strategy.new_tree(&mut runner).map(|tree| tree.current()).unwrap_or_default();
        Ok(Self { base: base.to_owned(), changes, flips })
    }

    /// The file.
    ///
    /// # Errors
    /// When the recipe cannot be used.
    pub fn bytes(&self, store: &Store) -> Result<Vec<u8>, ModelError> {
        let base = store.base(&self.base)?;
        let (mut bytes, front) = Change::apply_all(&self.changes, Gguf::clone(&base));
        let front = front.min(bytes.len());
        for flip in self.flips.iter().filter(|_| front > 0) {
            bytes[usize::try_from(flip.at % front as u64).unwrap_or(0)] ^= flip.with;
        }
        Ok(bytes)
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.changes.len() + self.flips.len()
    }

    /// Whether it is the good model.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same with one change less.
    pub fn without(&self, at: usize) -> Self {
        let mut smaller = self.clone();
        match at.checked_sub(self.changes.len()) {
            None => drop(smaller.changes.remove(at)),
            Some(flip) => drop(smaller.flips.remove(flip)),
        }
        smaller
    }
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => select(&NUMBERS[..]), 1 => any::<u64>(), 2 => 0..600_u64]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => number().prop_map(|number| Value::U32(number as u32)),
        1 => number().prop_map(|number| Value::I32(number as i32)),
        1 => number().prop_map(Value::U64),
        1 => number().prop_map(|number| Value::U8(number as u8)),
        2 => select(vec![0.0, -0.0, -1.0, 1e-45, 1e30, f32::NAN, f32::INFINITY, 10000.0]).prop_map(Value::F32),
        1 => any::<bool>().prop_map(Value::Bool),
        2 => select(vec!["", "llama", "gpt2", "gpt-2", "default", "none", "\u{1F642}"])
            .prop_map(|text| Value::String(text.to_owned())),
        1 => Just(Value::List(Vec::new())),
        1 => number().prop_map(|number| Value::List(vec![Value::U32(number as u32); 3])),
        1 => (0..20_u32, proptest::collection::vec(any::<u8>(), 0..24))
            .prop_map(|(kind, bytes)| Value::Raw { kind, bytes }),
    ]
}

/// A change that fits a model: its own keys, lists and tensors, and the numbers at which readers go wrong.
fn change(gguf: &Gguf) -> BoxedStrategy<Change> {
    let keys: Vec<String> = gguf.metadata.iter().map(|entry| entry.key.clone()).collect();
    let of_kind = |wanted: fn(&Value) -> bool| {
        let entries = gguf.metadata.iter().filter(|entry| wanted(&entry.value));
        entries.map(|entry| entry.key.clone()).collect::<Vec<String>>()
    };
    let lists = of_kind(|value| matches!(value, Value::List(_)));
    let texts = of_kind(|value| matches!(value, Value::String(_)));
    let tensors: Vec<String> = gguf.tensors.iter().map(|tensor| tensor.name.clone()).collect();
    let names = tensors.clone();
    let key = move || select(keys.clone());
    let list = move || select(lists.clone());
    let text = move || select(texts.clone());
    let tensor = move || select(tensors.clone());
    let shape = || proptest::collection::vec(number(), 0..5);
    let claim = prop_oneof![
        2 => Just(Claim::Absent),
        1 => Just(Claim::Twice),
        1 => select(names.clone()).prop_map(Claim::Name),
        1 => number().prop_map(Claim::NameLength),
        3 => shape().prop_map(Claim::Shape),
        2 => number().prop_map(|count| Claim::DimensionCount(count as u32)),
        3 => (0..42_u32).prop_map(Claim::Kind),
        1 => number().prop_map(|kind| Claim::Kind(kind as u32)),
        2 => number().prop_map(Claim::Offset),
        1 => select(names.clone()).prop_map(Claim::OffsetOf),
        1 => number().prop_map(|by| Claim::OffsetShift(by % (1 << 40))),
        1 => number().prop_map(Claim::OffsetBeforeEnd),
    ];
    let part = select(vec![Part::Header, Part::Metadata, Part::Tensors, Part::Data]);
    let options: Vec<(u32, BoxedStrategy<Change>)> = vec![
        (
            1,
            select(vec!["GGUF", "GGML", "FUGG", "gguf"])
                .prop_map(|magic| Change::Magic(magic.to_owned()))
                .boxed(),
        ),
        (1, number().prop_map(|version| Change::Version(version as u32)).boxed()),
        (2, number().prop_map(Change::TensorCount).boxed()),
        (2, number().prop_map(Change::MetadataCount).boxed()),
        (4, key().prop_map(Change::Remove).boxed()),
        (8, (key(), value()).prop_map(|(key, value)| Change::Set { key, value }).boxed()),
        (2, (key(), value()).prop_map(|(key, value)| Change::Add { key, value }).boxed()),
        (1, (1..3000_usize).prop_map(|depth| Change::Nest { key: "odd.lists".to_owned(), depth }).boxed()),
        (2, (key(), number()).prop_map(|(key, length)| Change::KeyLength { key, length }).boxed()),
        (2, (text(), number()).prop_map(|(key, length)| Change::TextLength { key, length }).boxed()),
        (3, (key(), 0..16_u32).prop_map(|(key, kind)| Change::ValueType { key, kind }).boxed()),
        (3, (list(), number()).prop_map(|(key, length)| Change::ListLength { key, length }).boxed()),
        (2, (list(), 0..16_u32).prop_map(|(key, kind)| Change::ItemType { key, kind }).boxed()),
        (
            2,
            (list(), 0..300_usize, number())
                .prop_map(|(key, at, length)| Change::ItemLength { key, at, length })
                .boxed(),
        ),
        (
            4,
            (list(), 0..300_usize, value())
                .prop_map(|(key, at, value)| Change::Item { key, at, value })
                .boxed(),
        ),
        (2, (list(), 1..400_usize).prop_map(|(key, by)| Change::Shorten { key, by }).boxed()),
        (1, (list(), 1..LONGEST).prop_map(|(key, by)| Change::Lengthen { key, by }).boxed()),
        (12, (tensor(), claim).prop_map(|(name, claim)| Change::Tensor { name, claim }).boxed()),
        (
            1,
            (tensor(), 1..4_u64)
                .prop_map(|(name, rows)| Change::AddTensor { name, shape: vec![32, rows] })
                .boxed(),
        ),
        (
            1,
            (tensor(), select(vec![0.0, f32::NAN, f32::INFINITY, 1e38]))
                .prop_map(|(name, value)| Change::Fill { name, value })
                .boxed(),
        ),
        (1, select(vec![1_u64, 8, 16, 64, 4096]).prop_map(Change::Alignment).boxed()),
        (1, Just(Change::ReverseTensors).boxed()),
        (1, Just(Change::ReverseMetadata).boxed()),
        (3, (part, -40..40_i64).prop_map(|(part, bytes)| Change::EndNear { part, bytes }).boxed()),
        (1, (0..4000_usize).prop_map(Change::Length).boxed()),
        (1, (1..100_usize, any::<u8>()).prop_map(|(bytes, value)| Change::Append { bytes, value }).boxed()),
    ];
    Union::new_weighted(options).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_are_the_same_for_a_seed_and_mostly_no_good_models() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let bases = ["tiny-llama", "tiny-gpt2"];
        let mut different = 0;
        for number in 0..60 {
            let mutant = Mutant::draw(&store, &bases, 1, number).unwrap();
            assert_eq!(
                format!("{mutant:?}"),
                format!("{:?}", Mutant::draw(&store, &bases, 1, number).unwrap())
            );
            let good = store.base(&mutant.base).unwrap().write().bytes;
            different += usize::from(mutant.bytes(&store).unwrap() != good);
        }
        assert!(different > 50, "{different}");
    }

    #[test]
    fn a_mutant_reads_back_from_yaml() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        for number in 0..60 {
            let mutant = Mutant::draw(&store, &["tiny-llama"], 2, number).unwrap();
            let text = serde_yaml::to_string(&mutant).unwrap();
            let read: Mutant = serde_yaml::from_str(&text).unwrap();
            assert_eq!(format!("{read:?}"), format!("{mutant:?}"));
        }
    }
}
