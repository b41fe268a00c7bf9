//! What a message costs (M11): a dated list, and a business's own prices before it.

use super::{ChannelKind, Cost};
use crate::places::Region;
use jiff::civil::Date;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// A dated price list in US dollars.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Its version, kept with nothing: a message keeps its price.
    pub version: String,
    /// The day the prices were read.
    pub as_of: Date,
    /// Where.
    pub source: String,
    sms: BTreeMap<Region, f64>,
    other_sms: f64,
    email: BTreeMap<String, f64>,
    dollar: BTreeMap<String, f64>,
}

/// A business's own prices in its own currency, in `tenant.yaml` under `budget`.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnPrices {
    /// Per segment of a text, by country: `{US: 0.0079, GB: 0.04}`.
    pub sms: BTreeMap<Region, f64>,
    /// Per mail, by provider: `{ses: 0.0001}`.
    pub email: BTreeMap<String, f64>,
}

/// A price as millionths; what is no sensible price costs nothing.
fn micros(price: f64) -> i64 {
    if price.is_finite() && (0.0..=1_000.0).contains(&price) {
        (price * 1e6).round() as i64
    } else {
        0
    }
}

impl Prices {
    /// The list of this program.
    #[expect(
        clippy::panic,
        reason = "the list is part of the program; a test reads it"
    )]
    pub fn built_in() -> &'static Self {
        static LIST: OnceLock<Prices> = OnceLock::new();
        LIST.get_or_init(
            || match serde_saphyr::from_str(include_str!("../../data/prices.yaml")) {
                Ok(list) => list,
                Err(error) => panic!("data/prices.yaml: {error}"),
            },
        )
    }

    /// The price of one segment, one mail or one request in millionths of `currency`.
    pub fn of(
        &self,
        own: &OwnPrices,
        currency: &str,
        channel: ChannelKind,
        provider: &str,
        country: Option<Region>,
    ) -> i64 {
        let listed = match channel {
            ChannelKind::Sms => {
                if let Some(price) = country.and_then(|country| own.sms.get(&country)) {
                    return micros(*price);
                }
                country
                    .and_then(|country| self.sms.get(&country))
                    .copied()
                    .unwrap_or(self.other_sms)
            }
            ChannelKind::Email => {
                if let Some(price) = own.email.get(provider) {
                    return micros(*price);
                }
                self.email.get(provider).copied().unwrap_or(0.0)
            }
            ChannelKind::Webhook => 0.0,
        };
        micros(listed * self.dollar.get(currency).copied().unwrap_or(1.0))
    }

    /// An amount in millionths of another currency, about.
    pub fn in_currency(&self, cost: &Cost, currency: &str) -> i64 {
        if cost.currency == currency {
            return cost.micros;
        }
        let worth = |currency: &str| self.dollar.get(currency).copied().filter(|n| *n > 0.0);
        match (worth(&cost.currency), worth(currency)) {
            (Some(from), Some(to)) => (cost.micros as f64 / from * to).round() as i64,
            _ => cost.micros,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_list_is_read_and_sensible() {
        let list = Prices::built_in();
        let own = OwnPrices::default();
        let us = list.of(&own, "USD", ChannelKind::Sms, "twilio", Some(Region::US));
        assert_eq!(us, 13_300);
        let nowhere = list.of(&own, "USD", ChannelKind::Sms, "twilio", None);
        assert_eq!(nowhere, 300_000);
        assert_eq!(list.of(&own, "USD", ChannelKind::Email, "smtp", None), 0);
        assert_eq!(list.of(&own, "USD", ChannelKind::Email, "ses", None), 100);
        for currency in list.dollar.keys() {
            let price = list.of(&own, currency, ChannelKind::Sms, "twilio", Some(Region::GB));
            assert!(price > 0, "{currency}");
        }
    }

    #[test]
    fn own_prices_go_first_and_currencies_are_turned() {
        let list = Prices::built_in();
        let own: OwnPrices = serde_json::from_str(r#"{"sms":{"GB":0.031}}"#).unwrap();
        let price = list.of(&own, "GBP", ChannelKind::Sms, "twilio", Some(Region::GB));
        assert_eq!(price, 31_000);
        let cost = Cost {
            micros: 1_000_000,
            currency: "USD".into(),
        };
        assert_eq!(list.in_currency(&cost, "GBP"), 760_000);
        let back = Cost {
            micros: 760_000,
            currency: "GBP".into(),
        };
        assert_eq!(list.in_currency(&back, "USD"), 1_000_000);
        assert_eq!(micros(f64::NAN), 0);
        assert_eq!(micros(-1.0), 0);
    }
}
