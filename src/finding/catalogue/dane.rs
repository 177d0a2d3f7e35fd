//! Codes of TLSA records and of DNSSEC (RFC 6698, RFC 7671, RFC 7672, RFC 4035).

use super::row::*;

codes! { Dane:
    INSECURE = "dane.insecure", NOTE, "RFC 7672 2.2", None, "there are TLSA records, and DNSSEC does not secure them, so no sender uses them", "sign the zones of the domain and of the mail host";
    MX_INSECURE = "dane.mx_insecure", NOTE, "RFC 7672 2.2.1", None, "the mail host has secure TLSA records, and the MX records that lead to it are not secure, so no sender uses them", "sign the zone of the domain";
    MALFORMED = "dane.malformed", VIOLATION, "RFC 6698 2.1, 4.1", None, "a TLSA record has an unknown field, or data that cannot be what its fields say", "publish it anew";
    USAGE = "dane.usage", VIOLATION, "RFC 7672 3.1.3", None, "a TLSA record has usage 0 or 1, which SMTP does not know", "publish it as 3 1 1";
    UNUSABLE = "dane.unusable", VIOLATION, "RFC 7672 2.2, 3.1", TLSA, "no TLSA record is usable: senders want TLS and authenticate nothing by DANE", "publish a record 3 1 1";
    MISMATCH = "dane.mismatch", FATAL, "RFC 7672 2.2, RFC 6698 2.1", TLSA, "no TLSA record fits the certificate: senders that know DANE refuse", "publish the record of the new certificate before it is used";
    TA_NAME = "dane.ta_name", FATAL, "RFC 7672 3.1.2, 3.2.2", HOST_MISMATCH, "a TLSA record names the authority, and the certificate is for another host", "issue a certificate for the mail host";
    TA_EXPIRED = "dane.ta_expired", FATAL, "RFC 7672 3.1.2, RFC 5280 4.1.2.5", HOST_EXPIRED, "a TLSA record names the authority, and a certificate of the chain is out of date", "renew it";
    STALE = "dane.stale_record", NOTE, "RFC 7671 8", None, "a TLSA record fits, and another fits nothing that is sent, as in a rollover", "remove it when the rollover is over";
    ONLY = "dane.only", ADVICE, "RFC 8461 2, RFC 7672 3.1.1", None, "the mail host passes by DANE and not by the certificate, so senders that know only MTA-STS refuse it", "use a certificate of a public authority for the host name";
    BOGUS = "dnssec.bogus", FAILURE, "RFC 4035 4.3, RFC 7672 2.1.2", None, "the answer fails DNSSEC validation", "";
    BOGUS_HOST = "dnssec.bogus_host", FATAL, "RFC 7672 2.1.2, 2.2", DNSSEC, "the addresses or TLSA records of the mail host fail DNSSEC validation: senders that validate cannot use it", "sign the zone anew";
}
