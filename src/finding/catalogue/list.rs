//! Codes of list lines: rejects, and flags of lines that became domains (HOSTILE.md 1-20).

use super::row::*;

codes! { List:
    BLANK = "list.blank", REJECT, "stscan", None, "the line is blank or a comment", "";
    BAD_CHAR = "list.bad_char", REJECT, "stscan", None, "the line has a character that no domain has", "";
    BAD_BYTES = "list.bad_bytes", REJECT, "stscan", None, "the line is not UTF-8, or has a NUL", "";
    LINE_TOO_LONG = "list.line_too_long", REJECT, "stscan", None, "the line is longer than any line of a list", "";
    LABEL = "list.label", REJECT, "RFC 1035 2.3.4", None, "a label is empty, longer than 63, or begins or ends with a hyphen", "";
    NAME_TOO_LONG = "list.name_too_long", REJECT, "RFC 1035 2.3.4", None, "the name is longer than 253", "";
    PREFIX_TOO_LONG = "list.prefix_too_long", VERDICT, "RFC 8461 3.1, RFC 1035 2.3.4", None, "the name is so long that no MTA-STS record can stand below it", "";
    IDNA = "list.idna", REJECT, "UTS 46", None, "the internationalised name has no lawful A-label form", "";
    NOT_A_NAME = "list.not_a_name", REJECT, "stscan", None, "the line is a URL, a mail address or something else that is no name", "";
    IP_LITERAL = "list.ip_literal", REJECT, "stscan", None, "the line is an IP address or a number", "";
    WILDCARD = "list.wildcard", REJECT, "stscan", None, "the line is a wildcard", "";
    SINGLE_LABEL = "list.single_label", REJECT, "stscan", None, "the name has a single label", "";
    SPECIAL_USE = "list.special_use", REJECT, "RFC 6761", None, "the name is of a special-use domain that does not exist on the Internet", "";
    NO_COLUMN = "list.no_column", REJECT, "stscan", None, "the line has no such column", "";
    ZONE_SYNTAX = "list.zone_syntax", REJECT, "RFC 1035 5", None, "the line is no line of a zone file", "";
    MAPPED = "list.mapped", NOTE, "UTS 46", None, "the name was mapped from compatibility characters to another spelling", "";
}
