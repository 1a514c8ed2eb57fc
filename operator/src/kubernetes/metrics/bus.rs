//! What was read from each bus last. Unlike a counter of our own it goes as a whole when the bus does.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::kubernetes::controller::Key;

/// What was read from a bus.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BusReading {
    /// When each certificate ends, in seconds since 1970.
    pub certificates: BTreeMap<String, i64>,
    /// Streams by name.
    pub streams: BTreeMap<String, StreamReading>,
    /// Messages stored in each queue.
    pub queues: BTreeMap<String, u64>,
    /// Durables.
    pub durables: BTreeMap<Durable, DurableReading>,
}

/// What was read from a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StreamReading {
    /// Whether a server leads it.
    pub led: bool,
    /// Whether more than half of its replicas are current.
    pub quorum: bool,
    /// Bytes that it stores.
    pub bytes: u64,
    /// How long the last probe took to be answered; nothing where it was not.
    pub probe: Option<Duration>,
}

/// Which durable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Durable {
    /// Whose it is.
    pub user: String,
    /// What it is called.
    pub name: String,
}

/// What was read from a durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DurableReading {
    /// Messages that it has not delivered yet.
    pub pending: u64,
    /// Messages that were delivered and are not acknowledged.
    pub unacknowledged: u64,
    /// Messages that it gave up: delivered as often as may be, and never acknowledged.
    pub given_up: u64,
}

/// What was read last, and what was counted from reading to reading.
#[derive(Clone, Debug)]
struct Kept {
    reading: BusReading,
    read: Instant,
    /// Of each stream that had a leader once, for how long it had none since.
    leaderless: BTreeMap<String, Duration>,
}

impl Kept {
    /// The first reading.
    fn first(reading: BusReading, read: Instant) -> Self {
        let mut kept = Self {
            reading: BusReading::default(),
            read,
            leaderless: BTreeMap::new(),
        };
        kept.then(reading, read);
        kept
    }

    /// The next reading. A stream that had no leader at the last had none until this one; one that never
    /// had any is just being made.
    fn then(&mut self, reading: BusReading, read: Instant) {
        let passed = read.saturating_duration_since(self.read);
        for (name, leaderless) in &mut self.leaderless {
            let last = self.reading.streams.get(name);
            if last.is_some_and(|stream| !stream.led) {
                *leaderless += passed;
            }
        }
        let led = reading.streams.iter().filter(|(_, stream)| stream.led);
        for (name, _) in led {
            self.leaderless.entry(name.clone()).or_default();
        }
        self.reading = reading;
        self.read = read;
    }
}

/// What was read last, of all buses. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Buses(Arc<Mutex<BTreeMap<Key, Kept>>>);

impl Buses {
    /// What was read from a bus, and when, in the place of what was read before.
    pub fn set(&self, key: &Key, reading: BusReading, read: Instant) {
        let mut all = self.lock();
        match all.get_mut(key) {
            Some(kept) => kept.then(reading, read),
            None => {
                all.insert(key.clone(), Kept::first(reading, read));
            }
        }
    }

    /// The bus is gone, or nothing is known of it any more.
    pub fn remove(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// Another process looks after the buses.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Done = Result<(), fmt::Error>;
type Labels<'a> = Vec<(&'static str, &'a str)>;

impl Collector for Buses {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Done {
        let buses = self.lock();
        let mut family = |name, help, kind, each: &dyn Fn(&Kept, &mut Samples<'_, '_>) -> Done| {
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            buses.iter().try_for_each(|(key, kept)| {
                let mut samples = Samples {
                    key,
                    metric: &mut metric,
                };
                each(kept, &mut samples)
            })
        };
        for (name, help, kind, each) in FAMILIES {
            family(name, help, kind, &each)?;
        }
        Ok(())
    }
}

/// Writes the samples of one metric of one bus.
struct Samples<'a, 'e> {
    key: &'a Key,
    metric: &'a mut MetricEncoder<'e>,
}

impl Samples<'_, '_> {
    fn gauge(&mut self, more: &[(&'static str, &str)], value: f64) -> Done {
        let labels = labels(self.key, more);
        let sample = self.metric.encode_family(&labels)?;
        ConstGauge::new(value).encode(sample)
    }

    fn counter(&mut self, more: &[(&'static str, &str)], value: f64) -> Done {
        let labels = labels(self.key, more);
        let sample = self.metric.encode_family(&labels)?;
        ConstCounter::new(value).encode(sample)
    }
}

fn labels<'a>(key: &'a Key, more: &[(&'static str, &'a str)]) -> Labels<'a> {
    let mut labels = vec![
        ("namespace", key.namespace.as_str()),
        ("name", key.name.as_str()),
    ];
    labels.extend_from_slice(more);
    labels
}

type Each = fn(&Kept, &mut Samples<'_, '_>) -> Done;

/// Every metric, in the order of the text.
const FAMILIES: [(&str, &str, MetricType, Each); 9] = [
    (
        "certificate_expiry_timestamp_seconds",
        "When a certificate ends, in seconds since 1970.",
        MetricType::Gauge,
        |kept, samples| {
            let mut all = kept.reading.certificates.iter();
            all.try_for_each(|(name, end)| samples.gauge(&[("certificate", name)], number(*end)))
        },
    ),
    (
        "stream_quorum",
        "1 where more than half of a stream's replicas are current.",
        MetricType::Gauge,
        |kept, samples| {
            let mut all = kept.reading.streams.iter();
            all.try_for_each(|(name, stream)| {
                samples.gauge(&[("stream", name)], f64::from(u8::from(stream.quorum)))
            })
        },
    ),
    (
        "stream_leaderless_seconds",
        "For how long a stream was seen without a leader, from look to look.",
        MetricType::Counter,
        |kept, samples| {
            let mut all = kept.reading.streams.keys();
            all.try_for_each(|name| {
                let leaderless = kept.leaderless.get(name).copied().unwrap_or_default();
                samples.counter(&[("stream", name)], leaderless.as_secs_f64())
            })
        },
    ),
    (
        "stream_bytes",
        "Bytes that a stream stores.",
        MetricType::Gauge,
        |kept, samples| {
            let mut all = kept.reading.streams.iter();
            all.try_for_each(|(name, stream)| {
                samples.gauge(&[("stream", name)], count(stream.bytes))
            })
        },
    ),
    (
        "probe_latency_seconds",
        "How long a stream took to answer the last probe; absent where it did not.",
        MetricType::Gauge,
        |kept, samples| {
            let all = kept.reading.streams.iter();
            let mut answered = all.filter_map(|(name, stream)| Some((name, stream.probe?)));
            answered
                .try_for_each(|(name, took)| samples.gauge(&[("stream", name)], took.as_secs_f64()))
        },
    ),
    (
        "queue_messages",
        "Messages that a queue stores.",
        MetricType::Gauge,
        |kept, samples| {
            let mut all = kept.reading.queues.iter();
            all.try_for_each(|(name, messages)| samples.gauge(&[("queue", name)], count(*messages)))
        },
    ),
    (
        "durable_pending_messages",
        "Messages that a durable has not delivered yet.",
        MetricType::Gauge,
        |kept, samples| {
            each_durable(kept, |labels, durable| {
                samples.gauge(labels, count(durable.pending))
            })
        },
    ),
    (
        "durable_unacknowledged_messages",
        "Messages that a durable delivered and nobody acknowledged.",
        MetricType::Gauge,
        |kept, samples| {
            each_durable(kept, |labels, durable| {
                samples.gauge(labels, count(durable.unacknowledged))
            })
        },
    ),
    (
        "durable_max_deliveries",
        "Messages that a durable gave up: delivered as often as may be, and never acknowledged.",
        MetricType::Counter,
        |kept, samples| {
            each_durable(kept, |labels, durable| {
                samples.counter(labels, count(durable.given_up))
            })
        },
    ),
];

fn each_durable(
    kept: &Kept,
    mut sample: impl FnMut(&[(&'static str, &str)], &DurableReading) -> Done,
) -> Done {
    let mut all = kept.reading.durables.iter();
    all.try_for_each(|(durable, reading)| {
        sample(
            &[("user", &durable.user), ("durable", &durable.name)],
            reading,
        )
    })
}

/// Exact up to 2⁵³, as every number of this format.
#[expect(clippy::cast_precision_loss)]
fn count(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss)]
fn number(number: i64) -> f64 {
    number as f64
}
