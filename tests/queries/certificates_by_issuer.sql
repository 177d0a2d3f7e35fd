-- Who issues the certificates of policy hosts, with which keys, and do they serve?
select
    c.issuer,
    c.key_type,
    c.key_bits,
    count(distinct c.cert_sha256) as certificates,
    count(*) as domains,
    count(*) filter (not d.policy_authenticated) as not_authenticated,
    count(*) filter (c.not_after < d.observed_at) as expired,
    min(date_diff('day', c.not_before, c.not_after)) as shortest_days
from domains as d
join certificates as c on c.cert_sha256 = d.policy_cert_sha256
group by c.issuer, c.key_type, c.key_bits
order by domains desc, c.issuer nulls last, c.key_type nulls last, c.key_bits nulls last;
