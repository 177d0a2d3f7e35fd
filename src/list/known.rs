//! The public lists that are known by name: where each comes from, under what licence, and how to cite it.

/// A public list.
#[derive(Debug)]
pub struct Known {
    /// The name on the command line.
    pub name: &'static str,
    /// What its rows are, and what to beware of.
    pub sentence: &'static str,
    /// How it is had.
    pub access: Access,
    /// The file name it is stored under unless another is asked for.
    pub file: &'static str,
    /// The licence, or what is known of the terms.
    pub licence: &'static str,
    /// How to cite it.
    pub cite: &'static str,
}

/// How a list is had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A file for everyone.
    Open {
        /// Its address.
        url: &'static str,
        /// Where the permanent name of today's edition stands, for sources that name their editions.
        edition: Option<Edition>,
    },
    /// A file for holders of a token, which an environment variable gives.
    Token {
        /// Its address.
        url: &'static str,
        /// The variable.
        variable: &'static str,
    },
    /// Not over HTTP: what to do by hand.
    Documented(&'static str),
}

/// How a source names its editions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edition {
    /// Where the name of today's edition stands, as plain text.
    pub id_url: &'static str,
    /// The page of an edition, without its name at the end.
    pub page: &'static str,
}

/// Every list, in the order in which they are shown.
pub const ALL: &[Known] = &[
    Known {
        name: "tranco",
        sentence: "a million registrable domains, ranked over 30 days of several lists; each edition has a permanent name",
        access: Access::Open {
            url: "https://tranco-list.eu/top-1m.csv.zip",
            edition: Some(Edition { id_url: "https://tranco-list.eu/top-1m-id", page: "https://tranco-list.eu/list/" }),
        },
        file: "tranco.csv.zip",
        licence: "that of the lists it is made of, see https://tranco-list.eu",
        cite: "Le Pochat et al., Tranco: A Research-Oriented Top Sites Ranking Hardened Against Manipulation, NDSS 2019, with the edition's name",
    },
    Known {
        name: "umbrella",
        sentence: "a million names by how often resolvers of Cisco Umbrella are asked; many are hosts, some do not exist",
        access: Access::Open {
            url: "https://s3-us-west-1.amazonaws.com/umbrella-static/top-1m.csv.zip",
            edition: None,
        },
        file: "umbrella.csv.zip",
        licence: "free of charge, terms of Cisco Umbrella",
        cite: "Cisco Umbrella Popularity List, with the day of the download",
    },
    Known {
        name: "majestic",
        sentence: "a million domains by how many subnets link to them",
        access: Access::Open { url: "https://downloads.majestic.com/majestic_million.csv", edition: None },
        file: "majestic.csv",
        licence: "CC BY 3.0",
        cite: "The Majestic Million, majestic.com, with the day of the download",
    },
    Known {
        name: "crux",
        sentence: "a million web origins by visits with Chrome, ranked by magnitude only; an origin counts as its host",
        access: Access::Open {
            url: "https://raw.githubusercontent.com/zakird/crux-top-lists/main/data/global/current.csv.gz",
            edition: None,
        },
        file: "crux.csv.gz",
        licence: "see the repository zakird/crux-top-lists and the terms of the Chrome UX Report",
        cite: "Chrome UX Report by way of zakird/crux-top-lists, with the month; Ruth et al., Toppling Top Lists, IMC 2022",
    },
    Known {
        name: "radar",
        sentence: "a million domains by how often 1.1.1.1 is asked, without order within the set",
        access: Access::Token {
            url: "https://api.cloudflare.com/client/v4/radar/datasets/ranking_top_1000000",
            variable: "CLOUDFLARE_API_TOKEN",
        },
        file: "radar.csv",
        licence: "CC BY-NC 4.0",
        cite: "Cloudflare Radar Domain Rankings, with the day of the download",
    },
    Known {
        name: "se",
        sentence: "every delegation below se",
        access: Access::Documented("dig @zonedata.iis.se se AXFR > se.zone"),
        file: "se.zone",
        licence: "CC BY 4.0, see https://zonedata.iis.se",
        cite: "The Swedish Internet Foundation, zone file of se, with its serial",
    },
    Known {
        name: "nu",
        sentence: "every delegation below nu",
        access: Access::Documented("dig @zonedata.iis.se nu AXFR > nu.zone"),
        file: "nu.zone",
        licence: "CC BY 4.0, see https://zonedata.iis.se",
        cite: "The Swedish Internet Foundation, zone file of nu, with its serial",
    },
    Known {
        name: "ch",
        sentence: "every delegation below ch",
        access: Access::Documented(
            "dig @zonedata.switch.ch ch AXFR > ch.zone, with the public key that https://www.switch.ch/open-data/ gives",
        ),
        file: "ch.zone",
        licence: "terms of SWITCH, see https://www.switch.ch/open-data/",
        cite: "SWITCH open data, zone file of ch, with its serial",
    },
    Known {
        name: "li",
        sentence: "every delegation below li",
        access: Access::Documented(
            "dig @zonedata.switch.ch li AXFR > li.zone, with the public key that https://www.switch.ch/open-data/ gives",
        ),
        file: "li.zone",
        licence: "terms of SWITCH, see https://www.switch.ch/open-data/",
        cite: "SWITCH open data, zone file of li, with its serial",
    },
    Known {
        name: "ee",
        sentence: "every delegation below ee",
        access: Access::Documented("dig @zone.internet.ee ee AXFR > ee.zone"),
        file: "ee.zone",
        licence: "CC BY 4.0",
        cite: "Estonian Internet Foundation, zone file of ee, with its serial",
    },
    Known {
        name: "czds",
        sentence: "every delegation below a generic top-level domain, by agreement with its registry",
        access: Access::Documented("ask for access at https://czds.icann.org, one zone file a domain"),
        file: "czds.zone.gz",
        licence: "the CZDS terms forbid passing the data on",
        cite: "ICANN CZDS, zone file of the domain, with its serial",
    },
];

/// The list of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Known> {
    ALL.iter().find(|known| known.name == name)
}
