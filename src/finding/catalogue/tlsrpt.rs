//! Codes of the TLS reporting record (RFC 8460 3).

use super::row::*;

codes! { Tlsrpt:
    NONE = "tlsrpt.none", FATAL, "RFC 8460 3", None, "no TLSRPT record stands at the name", "publish a TXT record \"v=TLSRPTv1; rua=mailto:…\" at _smtp._tls.<domain>";
    MULTIPLE = "tlsrpt.multiple", FATAL, "RFC 8460 3", None, "more than one record begins with v=TLSRPTv1;, so senders send no reports", "keep exactly one of them";
    UNRELATED = "tlsrpt.unrelated", NOTE, "RFC 8460 3", None, "other TXT records stand at the same name and are ignored", "";
    VERSION_CASE = "tlsrpt.version_case", FATAL, "RFC 8460 3", None, "the version tag is spelled in another case than v=TLSRPTv1", "write v=TLSRPTv1 exactly so";
    VERSION_UNKNOWN = "tlsrpt.version_unknown", FATAL, "RFC 8460 3", None, "the version is not TLSRPTv1", "write v=TLSRPTv1";
    VERSION_SYNTAX = "tlsrpt.version_syntax", FATAL, "RFC 8460 3", None, "the version stands there, and is not written v=TLSRPTv1", "begin with v=TLSRPTv1; exactly so";
    LEADING_SPACE = "tlsrpt.leading_space", FATAL, "RFC 8460 3", None, "white space stands before v=TLSRPTv1", "remove it";
    QUOTED = "tlsrpt.quoted", FATAL, "RFC 8460 3", None, "quotation marks are part of the record's text", "remove the inner quotation marks";
    PREFIX = "tlsrpt.prefix", FATAL, "RFC 8460 3", None, "something stands before v=TLSRPTv1", "let the record begin with v=TLSRPTv1;";
    NO_DELIMITER = "tlsrpt.no_delimiter", FATAL, "RFC 8460 3", None, "no semicolon stands behind v=TLSRPTv1", "write v=TLSRPTv1; with the semicolon";
    SPACE_BEFORE_DELIMITER = "tlsrpt.space_before_delimiter", ADVICE, "RFC 8460 3", None, "white space stands before the first semicolon: lawful by the grammar, dropped by the selection rule", "write v=TLSRPTv1; without the space";
    RUA_MISSING = "tlsrpt.rua_missing", FATAL, "RFC 8460 3", None, "the record has no rua", "add rua=mailto:… or rua=https:…";
    RUA_EMPTY = "tlsrpt.rua_empty", VIOLATION, "RFC 8460 3", None, "a rua is empty or has an empty entry", "remove the empty entry";
    RUA_SCHEME = "tlsrpt.rua_scheme", VIOLATION, "RFC 8460 3", None, "a rua is neither a mailto: nor an https: URI", "use mailto: or https:";
    RUA_SYNTAX = "tlsrpt.rua_syntax", VIOLATION, "RFC 8460 3, RFC 3986", None, "a rua is no lawful URI", "write a complete URI; percent-encode what the grammar asks for";
    RUA_UNENCODED = "tlsrpt.rua_unencoded", VIOLATION, "RFC 8460 3", None, "a rua has an exclamation mark that is not percent-encoded", "write %21 for ! (TLSRPT has no size limits as DMARC has)";
    RUA_UNUSABLE = "tlsrpt.rua_unusable", FATAL, "RFC 8460 3", None, "no rua can be used, so nobody gets a report", "give at least one mailto: or https: URI";
    RUA_SEVERAL = "tlsrpt.rua_several", ADVICE, "RFC 8460 3", None, "several rua fields stand in the record: lawful, but many senders read only one", "list all addresses in one rua, separated by commas";
    RUA_CASE = "tlsrpt.rua_case", ADVICE, "RFC 8460 3", None, "a field is named like rua in another case, which makes it an extension", "write rua in lower case";
    SPACED_EQUALS = "tlsrpt.spaced_equals", VIOLATION, "RFC 8460 3", None, "white space stands beside an equals sign", "write name=value without spaces";
    EXTENSION = "tlsrpt.extension", NOTE, "RFC 8460 3", None, "the record has an extension field", "";
    EXTENSION_SYNTAX = "tlsrpt.extension_syntax", VIOLATION, "RFC 8460 3", None, "a field breaks the grammar of an extension", "remove the field";
    FIELD_DUPLICATE = "tlsrpt.field_duplicate", ADVICE, "RFC 8460 3", None, "an extension field stands twice: the first counts", "remove the second";
    FIELD_EMPTY = "tlsrpt.field_empty", VIOLATION, "RFC 8460 3", None, "a field is empty: two semicolons in a row", "remove one of them";
    FIELD_WITHOUT_EQUALS = "tlsrpt.field_without_equals", VIOLATION, "RFC 8460 3", None, "a field has no equals sign", "remove the field";
    TRAILING_SPACE = "tlsrpt.trailing_space", VIOLATION, "RFC 8460 3", None, "white space stands at the end of the record without a semicolon before it", "remove it";
    NOT_ASCII = "tlsrpt.not_ascii", VIOLATION, "RFC 8460 3", None, "the record has a byte that is no printable US-ASCII", "use US-ASCII only";
}
