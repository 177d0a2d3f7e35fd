//! Codes of the policy body and of the host that serves it (RFC 8461 3.2, 3.3).

use super::row::*;

codes! { Policy:
    HOST_NONE = "policy.host_none", FATAL, "RFC 8461 3.3", FETCH, "the policy host has no address", "give mta-sts.<domain> an address";
    HOST_DANGLING = "policy.host_dangling", FATAL, "RFC 8461 8.2", FETCH, "the policy host is an alias of a name that does not exist: a take-over risk", "remove the CNAME, or restore its target";
    HOST_DELEGATED = "policy.host_delegated", NOTE, "RFC 8461 8.2", None, "the policy host is an alias: the policy is served by another party", "";
    NOT_URL = "name.not_url", FATAL, "RFC 5891, RFC 8461 3.3", FETCH, "the policy host's name is no lawful host name in a URL", "";
    EMPTY = "policy.empty", FATAL, "RFC 8461 3.2", INVALID, "the policy is empty", "serve the policy text";
    UTF8 = "policy.utf8", FATAL, "RFC 8461 3.2", INVALID, "the policy is not UTF-8", "save the file as UTF-8";
    HTML = "policy.html", FATAL, "RFC 8461 3.2", INVALID, "the policy is an HTML page", "serve the policy as plain text";
    NUL = "policy.nul", VIOLATION, "RFC 8461 3.2", INVALID, "the policy has a control character", "remove it";
    BOM = "policy.bom", VIOLATION, "RFC 8461 3.2", INVALID, "the policy begins with a byte order mark", "save the file without a byte order mark";
    LINE_END = "policy.line_end", VIOLATION, "RFC 8461 3.2, erratum 6253", INVALID, "a line ends with a lone carriage return", "end lines with LF or CRLF";
    BLANK_LINE = "policy.blank_line", VIOLATION, "RFC 8461 3.2", INVALID, "the policy has a blank line", "remove it";
    LEADING_SPACE = "policy.leading_space", VIOLATION, "RFC 8461 3.2", INVALID, "a line begins with white space", "remove it";
    SPACE_BEFORE_COLON = "policy.space_before_colon", VIOLATION, "RFC 8461 3.2", INVALID, "white space stands before a colon", "remove it";
    LINE_SYNTAX = "policy.line_syntax", VIOLATION, "RFC 8461 3.2", INVALID, "a line has no colon", "remove the line";
    EXTENSION = "policy.extension", NOTE, "RFC 8461 3.2", None, "the policy has an unknown field, which senders ignore", "";
    EXTENSION_SYNTAX = "policy.extension_syntax", VIOLATION, "RFC 8461 3.2", INVALID, "an unknown field breaks the grammar of an extension", "remove the line";
    UNKNOWN_KEY = "policy.unknown_key", ADVICE, "RFC 8461 3.2", None, "an unknown field is named almost like a known one", "correct its name";
    KEY_CASE = "policy.key_case", ADVICE, "RFC 8461 3.2", None, "a field is named like a known one in another case, which makes it an unknown field", "write the name in lower case";
    FIELD_DUPLICATE = "policy.field_duplicate", ADVICE, "RFC 8461 3.2", None, "a field stands twice: the first counts", "remove the second";
    VERSION_MISSING = "policy.version_missing", FATAL, "RFC 8461 3.2", INVALID, "the policy has no version", "add the line version: STSv1";
    VERSION_VALUE = "policy.version_value", FATAL, "RFC 8461 3.2", INVALID, "the version is not STSv1", "write version: STSv1 exactly so";
    VERSION_NOT_FIRST = "policy.version_not_first", NOTE, "RFC 8461 3.2", None, "the version is not the first line", "";
    MODE_MISSING = "policy.mode_missing", FATAL, "RFC 8461 3.2", INVALID, "the policy has no mode", "add the line mode: enforce, testing or none";
    MODE_VALUE = "policy.mode_value", FATAL, "RFC 8461 3.2", INVALID, "the mode is none of enforce, testing and none", "write one of them, in lower case";
    MAX_AGE_MISSING = "policy.max_age_missing", FATAL, "RFC 8461 3.2", INVALID, "the policy has no max_age", "add the line max_age: with a number of seconds";
    MAX_AGE_VALUE = "policy.max_age_value", FATAL, "RFC 8461 3.2", INVALID, "the max_age is not a number of 1 to 10 digits", "write a whole number of seconds, at most 31557600";
    MAX_AGE_OVER = "policy.max_age_over", VIOLATION, "RFC 8461 3.2, erratum 7282", INVALID, "the max_age is over 31557600 seconds, and counts as that", "write at most 31557600";
    MAX_AGE_SHORT = "policy.max_age_short", ADVICE, "RFC 8461 3.2, 10.2", None, "the max_age is under a day: the policy hardly protects", "use weeks or more once the policy is proven";
    MX_MISSING = "policy.mx_missing", FATAL, "RFC 8461 3.2", INVALID, "the policy names no mx, which only the mode none allows", "add an mx: line for each mail host";
    MX_UNUSABLE = "policy.mx_unusable", FATAL, "RFC 8461 3.2", INVALID, "no mx of the policy is a host name or a wildcard of one", "write host names, or *. and a domain";
    MX_PATTERN = "policy.mx_pattern", VIOLATION, "RFC 8461 3.2", INVALID, "an mx is neither a host name nor a wildcard of one", "write a host name, or *. and a domain";
    MX_WILDCARD = "policy.mx_wildcard", VIOLATION, "RFC 8461 3.2, 4.1", INVALID, "an mx has an asterisk that is not its whole first label, or nothing behind it", "write *. and a domain";
    MX_ADDRESS = "policy.mx_address", VIOLATION, "RFC 8461 3.2", INVALID, "an mx is an IP address", "write the host's name";
    MX_PORT = "policy.mx_port", VIOLATION, "RFC 8461 3.2", INVALID, "an mx has a port", "remove the port";
    MX_LIST = "policy.mx_list", VIOLATION, "RFC 8461 3.2", INVALID, "an mx line names several hosts", "write one mx: line a host";
    MX_PREFERENCE = "policy.mx_preference", VIOLATION, "RFC 8461 3.2", INVALID, "an mx line has the preference of an MX record", "write the host name alone";
    MX_UNDERSCORE = "policy.mx_underscore", VIOLATION, "RFC 8461 3.2, RFC 5321 4.1.2", INVALID, "an mx has an underscore, which no mail host's name has", "write the host's name";
    MX_U_LABEL = "policy.mx_u_label", VIOLATION, "RFC 8461 3.2", INVALID, "an mx has letters beyond ASCII", "write A-labels (xn--…)";
    MX_MAILBOX = "policy.mx_mailbox", VIOLATION, "RFC 8461 3.2", INVALID, "an mx is a mail address or a URL", "write the host's name";
    MX_LEADING_DOT = "policy.mx_leading_dot", VIOLATION, "RFC 8461 3.2", INVALID, "an mx begins with a dot, as drafts before the RFC had it", "write *. and the domain";
    MX_TRAILING_DOT = "policy.mx_trailing_dot", VIOLATION, "RFC 8461 3.2", INVALID, "an mx ends with a dot", "remove the dot";
    MX_EMPTY = "policy.mx_empty", VIOLATION, "RFC 8461 3.2", INVALID, "an mx line has no value", "remove the line";
    MX_SUFFIX = "policy.mx_suffix", ADVICE, "RFC 8461 4.1, 10.3", None, "an mx wildcard covers every host right below a public suffix", "name the hosts, or a wildcard of one's own domain";
    MX_DUPLICATE = "policy.mx_duplicate", NOTE, "RFC 8461 3.2", None, "the same mx stands twice", "";
    MX_MANY = "policy.mx_many", ADVICE, "stscan", None, "the policy names more than 100 mx", "use a wildcard";
    MX_UNDER_NONE = "policy.mx_under_none", NOTE, "RFC 8461 3.2, 8.3", None, "the policy names mx although its mode is none", "";
    TOO_LARGE = "policy.too_large", FATAL, "RFC 8461 3.3", FETCH, "the body is longer than 65,536 bytes, and was cut off", "serve the policy alone";
}
