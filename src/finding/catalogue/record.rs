//! Codes of the `_mta-sts` record (RFC 8461 3.1).

use super::row::*;

codes! { Record:
    NONE = "record.none", FATAL, "RFC 8461 3.1", None, "no MTA-STS record stands at the name", "publish a TXT record \"v=STSv1; id=…\" at _mta-sts.<domain>";
    MULTIPLE = "record.multiple", FATAL, "RFC 8461 3.1", None, "more than one record begins with v=STSv1;, so senders treat the domain as having no policy", "keep exactly one of them";
    UNRELATED = "record.unrelated", NOTE, "RFC 8461 3.1", None, "other TXT records stand at the same name and are ignored", "";
    WILDCARD = "record.wildcard", NOTE, "RFC 8461 3.1", None, "a random sibling name gives the same answer: the zone has a wildcard", "";
    VERSION_CASE = "record.version_case", FATAL, "RFC 8461 3.1", None, "the version tag is spelled in another case than v=STSv1", "write v=STSv1 exactly so";
    VERSION_UNKNOWN = "record.version_unknown", FATAL, "RFC 8461 3.1", None, "the version is not STSv1", "write v=STSv1, the only version there is";
    VERSION_SYNTAX = "record.version_syntax", FATAL, "RFC 8461 3.1", None, "the version stands there, and is not written v=STSv1", "begin with v=STSv1; exactly so";
    LEADING_SPACE = "record.leading_space", FATAL, "RFC 8461 3.1", None, "white space stands before v=STSv1", "remove it";
    QUOTED = "record.quoted", FATAL, "RFC 8461 3.1", None, "quotation marks are part of the record's text", "remove the inner quotation marks";
    PREFIX = "record.prefix", FATAL, "RFC 8461 3.1", None, "something stands before v=STSv1", "let the record begin with v=STSv1;";
    NO_DELIMITER = "record.no_delimiter", FATAL, "RFC 8461 3.1", None, "no semicolon stands behind v=STSv1", "write v=STSv1; with the semicolon";
    SPACE_BEFORE_DELIMITER = "record.space_before_delimiter", ADVICE, "RFC 8461 3.1, erratum 6285", None, "white space stands before the first semicolon: lawful by the grammar, dropped by the selection rule", "write v=STSv1; without the space";
    SPACED_EQUALS = "record.spaced_equals", VIOLATION, "RFC 8461 3.1", None, "white space stands beside an equals sign", "write name=value without spaces";
    ID_MISSING = "record.id_missing", FATAL, "RFC 8461 3.1", None, "the record has no id", "add id= with 1 to 32 letters and digits";
    ID_EMPTY = "record.id_empty", FATAL, "RFC 8461 3.1", None, "the id is empty", "give the id 1 to 32 letters and digits";
    ID_TOO_LONG = "record.id_too_long", FATAL, "RFC 8461 3.1", None, "the id is longer than 32 characters", "shorten the id to 32 letters and digits";
    ID_SYNTAX = "record.id_syntax", FATAL, "RFC 8461 3.1", None, "the id has a character that is no letter and no digit", "use letters and digits only, such as 20240101T000000";
    ID_CASE = "record.id_case", ADVICE, "RFC 8461 3.1", None, "a field is named like id in another case, which makes it an extension", "write id in lower case";
    FIELD_DUPLICATE = "record.field_duplicate", ADVICE, "RFC 8461 3.1", None, "a field stands twice: the first counts", "remove the second";
    EXTENSION = "record.extension", NOTE, "RFC 8461 3.1", None, "the record has an extension field", "";
    EXTENSION_SYNTAX = "record.extension_syntax", VIOLATION, "RFC 8461 3.1", None, "a field breaks the grammar of an extension", "remove the field, or write it as name=value with lawful characters";
    FIELD_EMPTY = "record.field_empty", VIOLATION, "RFC 8461 3.1", None, "a field is empty: two semicolons in a row", "remove one of them";
    FIELD_WITHOUT_EQUALS = "record.field_without_equals", VIOLATION, "RFC 8461 3.1", None, "a field has no equals sign", "remove the field";
    TRAILING_SPACE = "record.trailing_space", VIOLATION, "RFC 8461 3.1", None, "white space stands at the end of the record without a semicolon before it", "remove it";
    NOT_ASCII = "record.not_ascii", VIOLATION, "RFC 8461 3.1", None, "the record has a byte that is no printable US-ASCII", "use US-ASCII only";
    TOO_LONG = "record.too_long", ADVICE, "stscan", None, "the record is longer than what is kept: only its beginning was read", "shorten the record";
    POLICY_TEXT = "record.policy_text", FATAL, "RFC 8461 3.1", None, "the text of a policy stands in the TXT record", "publish \"v=STSv1; id=…\" here, and the policy over HTTPS";
    SPF = "record.spf", NOTE, "RFC 8461 3.1", None, "an SPF record stands at the name of the MTA-STS record", "move it to the domain itself";
    TLSRPT = "record.tlsrpt", NOTE, "RFC 8461 3.1", None, "a TLSRPT record stands at the name of the MTA-STS record", "move it to _smtp._tls.<domain>";
    AT_APEX = "record.at_apex", ADVICE, "RFC 8461 3.1", None, "an MTA-STS record stands at the domain itself, where no sender looks", "move it to _mta-sts.<domain>";
    AT_PARENT = "record.at_parent", NOTE, "RFC 8461 3.4", None, "only the parent domain has an MTA-STS record, which never covers subdomains", "publish a record and a policy for this domain too";
    DANGLING = "record.dangling", ADVICE, "RFC 8461 8.2", None, "the record's name is an alias of a name that does not exist: a take-over risk", "remove the CNAME, or restore its target";
    DELEGATED = "record.delegated", NOTE, "RFC 8461 8.2", None, "the record's name is an alias: the record is kept by another zone", "";
}
