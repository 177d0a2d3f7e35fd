//! Codes of the MX records, and of how the policy covers them (RFC 8461 4.1, RFC 5321 5.1, RFC 7505).

use super::row::*;

codes! { Mx:
    IMPLICIT = "mx.implicit", NOTE, "RFC 5321 5.1", None, "there is no MX record, so the domain itself is the mail host", "";
    NONE = "mx.none", NOTE, "RFC 5321 5.1", None, "there is neither an MX record nor an address: the domain takes no mail", "";
    NULL = "mx.null", NOTE, "RFC 7505 3", None, "a null MX says that the domain takes no mail", "";
    NULL_NOT_ALONE = "mx.null_not_alone", VIOLATION, "RFC 7505 3", None, "a null MX stands beside other MX records", "remove the one or the others";
    ADDRESS = "mx.ip", VIOLATION, "RFC 5321 5.1, RFC 1035 3.3.9", None, "an MX record names an IP address", "name a host";
    LOCALHOST = "mx.localhost", VIOLATION, "RFC 6761 6.3", None, "an MX record names localhost", "name a public host";
    NAME = "mx.name", VIOLATION, "RFC 5321 2.3.5", None, "an MX record names what can be no host", "name a host";
    UNCOVERED = "mx.uncovered", VIOLATION, "RFC 8461 4.1", VALIDATION, "no mx of the policy covers an MX host", "add the host to the policy, under a new id";
    NONE_COVERED = "mx.none_covered", FATAL, "RFC 8461 4.1, 5", VALIDATION, "no mx of the policy covers any MX host: senders refuse under enforce", "bring policy and MX records together";
    NO_ADDRESS = "mx.no_address", FATAL, "RFC 5321 5.1", None, "an MX host has no address", "give the host an address, or remove its MX record";
    ALIAS = "mx.cname", VIOLATION, "RFC 2181 10.3, RFC 5321 5.1", None, "an MX host is an alias", "name the host itself";
    MANY = "mx.many", ADVICE, "stscan", None, "the domain has more than 100 MX records", "";
}
