//! Codes that follow from several probes together, and verdicts on the survey as a whole (RFC 8461 5).

use super::row::*;

codes! { Sts:
    RECORD_WITHOUT_POLICY = "sts.record_without_policy", ADVICE, "RFC 8461 3.3, 5", None, "the record announces a policy that cannot be had", "serve the policy, or withdraw the record";
    POLICY_WITHOUT_RECORD = "sts.policy_without_record", ADVICE, "RFC 8461 3.1", None, "a policy is served that no record announces, so no sender looks for it", "publish the record";
    POLICY_WITH_BROKEN_RECORD = "sts.policy_with_broken_record", ADVICE, "RFC 8461 3.1", None, "a policy is served behind a record that cannot be read", "mend the record";
    DELEGATION_SPLIT = "sts.delegation_split", ADVICE, "RFC 8461 8.2", None, "record and policy are delegated to different parties, so id and policy may part", "delegate both to one party";
    NULL_MX_WITH_POLICY = "sts.null_mx_with_policy", ADVICE, "RFC 7505 3, RFC 8461 5", None, "the policy protects mail that a null MX says is not taken", "remove the policy, or the null MX";
    TLSRPT_MISSING = "sts.tlsrpt_missing", ADVICE, "RFC 8460 1, RFC 8461 10", None, "the domain has a policy and asks for no reports, so it will not learn what fails", "publish a TLSRPT record";
    ENFORCE_WITHOUT_MAIL = "sts.policy_without_mail", NOTE, "RFC 8461 5", None, "the domain has a policy and no host that takes mail", "";
    DELIVERY_NOT_ASKED = "delivery.not_asked", VERDICT, "RFC 8461 5", None, "the mail hosts were not asked, so whether mail is delivered is unknown", "";
    PORT_BLOCKED = "delivery.port_blocked", VERDICT, "stscan", None, "mail hosts do not let this network in, at all or over that version of IP, so nobody was asked", "";
    PORT_UNKNOWN = "delivery.port_unknown", VERDICT, "stscan", None, "whether mail hosts can be reached from this network, at all or over that version of IP, could not be found out, so nothing is held against the host", "";
    NO_ROUTE = "delivery.no_route", VERDICT, "stscan", None, "this machine has no way to addresses of that version of IP, so nobody was asked there", "";
    DANE_UNTOLD = "delivery.dane_untold", VERDICT, "RFC 7672 2.2", None, "the certificate of the mail host is not good by itself, and it has TLSA records of which the resolver does not say whether they are secure", "";
    ADDRESS_SILENT = "delivery.address_silent", VERDICT, "stscan", None, "the address did not answer for several other mail hosts in a row, so nobody was asked there", "";
    HOSTS_BEYOND = "delivery.hosts_beyond", VERDICT, "stscan", None, "the domain has more mail hosts, or the host more addresses, than are asked", "";
    NOT_ASKED = "survey.not_asked", VERDICT, "stscan", None, "it was not asked for", "";
    PANIC = "survey.panic", FAILURE, "stscan", None, "a fault of ours ended the survey of this domain", "report it to us";
}
