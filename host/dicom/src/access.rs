//! Who may send: application entities by their titles, machines by their addresses.

use anyhow::{Result, ensure};
use ipnet::IpNet;
use std::net::IpAddr;
use std::str::FromStr;

/// Titles and addresses that may send; an empty list allows all.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Calling application entities.
    pub titles: Vec<Title>,
    /// Machines.
    pub networks: Vec<IpNet>,
}

/// The title of an application entity: 1 to 16 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title(String);

impl FromStr for Title {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let title = text.trim();
        let is_sound = (1..=16).contains(&title.len()) && title.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'\\');
        ensure!(is_sound, "{text:?}: an AE title has 1 to 16 printable characters");
        Ok(Self(title.to_owned()))
    }
}

impl Title {
    /// The title.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A network, or the address of one machine.
pub fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| text.parse()).map_err(|_| format!("{text}: give an address or a network as 10.1.2.0/24"))
}

impl Access {
    /// True for a machine that may send.
    pub fn allows_address(&self, address: IpAddr) -> bool {
        // A socket of both families shows the one in the other's form.
        let address = address.to_canonical();
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&address))
    }

    /// True for an application entity that may send.
    pub fn allows_title(&self, title: &str) -> bool {
        self.titles.is_empty() || self.titles.iter().any(|known| known.as_str() == title.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_name_who_may_send() {
        let everyone = Access::default();
        assert!(everyone.allows_title("X") && everyone.allows_address([8, 8, 8, 8].into()));
        let access = Access {
            titles: vec!["PACS".parse().unwrap()],
            networks: vec![network("10.1.0.0/16").unwrap(), network("::1").unwrap(), network("192.0.2.7").unwrap()],
        };
        assert!(access.allows_title("PACS ") && !access.allows_title("pacs") && !access.allows_title(""));
        for (address, allowed) in [
            ("10.1.2.3", true),
            ("10.2.0.1", false),
            ("::1", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:10.1.2.3", true),
        ] {
            assert_eq!(access.allows_address(address.parse().unwrap()), allowed, "{address}");
        }
        assert!(network("10.1.2").is_err() && "".parse::<Title>().is_err() && "A\\B".parse::<Title>().is_err());
        assert!("SEVENTEEN LETTERS".parse::<Title>().is_err());
    }
}
