//! Codes of DNS look-ups (RFC 1034, RFC 1035, RFC 6891, RFC 8020): what kept us from an answer.

use super::row::*;

codes! { Dns:
    TIMEOUT = "dns.timeout", FAILURE, "stscan", None, "the resolver gave no answer in time", "";
    RESOLVER_DOWN = "dns.resolver_down", FAILURE, "stscan", None, "nothing listens at the resolver's address", "";
    RESOLVER_LIES = "dns.resolver_lies", FAILURE, "stscan", None, "the resolver gives an address to a name that nobody has, or denies a record that is known to be there", "";
    TRUNCATED = "dns.truncated", FAILURE, "RFC 7766 5", None, "the answer was cut off and could not be had over TCP", "";
    TCP_REFUSED = "dns.tcp_refused", FAILURE, "RFC 7766", None, "the resolver refuses TCP, which the answer needed", "";
    TCP_TIMEOUT = "dns.tcp_timeout", FAILURE, "RFC 7766", None, "the answer over TCP did not come in time", "";
    TCP_CLOSED = "dns.tcp_closed", FAILURE, "RFC 7766", None, "the resolver closed the TCP connection within the answer", "";
    TRANSPORT = "dns.transport", FAILURE, "RFC 7858, RFC 8484", None, "the encrypted connection to the resolver failed", "";
    MALFORMED = "dns.malformed", FAILURE, "RFC 1035 4", None, "the answer breaks the format of DNS messages", "";
    UNRELATED_ANSWER = "dns.unrelated_answer", FAILURE, "RFC 1035 4.1", None, "the answer holds records, but none that answers the question", "";
    REFERRAL = "dns.referral", FAILURE, "RFC 2308 2.2", None, "the server names other servers instead of answering", "";
    RCODE_CONFLICT = "dns.rcode_conflict", FAILURE, "RFC 2308 2.1", None, "the answer says that the name does not exist and gives records of it", "";
    CNAME_LOOP = "dns.cname_loop", FAILURE, "RFC 1034 3.6.2", None, "the chain of aliases leads back to itself", "";
    CNAME_TOO_LONG = "dns.cname_too_long", FAILURE, "stscan", None, "the chain of aliases is longer than 10", "";
    RCODE_1 = "dns.rcode_1", FAILURE, "RFC 1035 4.1.1", None, "the resolver answered FORMERR", "";
    RCODE_2 = "dns.rcode_2", FAILURE, "RFC 1035 4.1.1", None, "the resolver answered SERVFAIL", "";
    RCODE_4 = "dns.rcode_4", FAILURE, "RFC 1035 4.1.1", None, "the resolver answered NOTIMP", "";
    RCODE_5 = "dns.rcode_5", FAILURE, "RFC 1035 4.1.1", None, "the resolver answered REFUSED", "";
    RCODE_6 = "dns.rcode_6", FAILURE, "RFC 2136 2.2", None, "the resolver answered YXDOMAIN", "";
    RCODE_7 = "dns.rcode_7", FAILURE, "RFC 2136 2.2", None, "the resolver answered YXRRSET", "";
    RCODE_8 = "dns.rcode_8", FAILURE, "RFC 2136 2.2", None, "the resolver answered NXRRSET", "";
    RCODE_9 = "dns.rcode_9", FAILURE, "RFC 2136 2.2", None, "the resolver answered NOTAUTH", "";
    RCODE_10 = "dns.rcode_10", FAILURE, "RFC 2136 2.2", None, "the resolver answered NOTZONE", "";
    RCODE_11 = "dns.rcode_11", FAILURE, "RFC 8490 5.4", None, "the resolver answered DSOTYPENI", "";
    RCODE_12 = "dns.rcode_12", FAILURE, "RFC 6895 2.3", None, "the resolver answered with the unassigned code 12", "";
    RCODE_13 = "dns.rcode_13", FAILURE, "RFC 6895 2.3", None, "the resolver answered with the unassigned code 13", "";
    RCODE_14 = "dns.rcode_14", FAILURE, "RFC 6895 2.3", None, "the resolver answered with the unassigned code 14", "";
    RCODE_15 = "dns.rcode_15", FAILURE, "RFC 6895 2.3", None, "the resolver answered with the unassigned code 15", "";
    RCODE_EXTENDED = "dns.rcode_extended", FAILURE, "RFC 6891 6.1.3", None, "the resolver answered with an extended code, 16 or over", "";
    CASE = "dns.case", NOTE, "stscan", None, "the resolver does not echo the case of the question, so the answer was had over TCP", "";
    TRAILING = "dns.trailing", NOTE, "stscan", None, "bytes stand behind the end of the DNS message", "";
}
