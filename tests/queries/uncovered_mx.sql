-- Which domains enforce a policy that does not cover all of their mail hosts, and which hosts are these?
select
    rank,
    domain,
    outcome,
    mx_uncovered as uncovered,
    len(mx_hosts) as hosts,
    list_transform(list_filter(mx_hosts, lambda h: not h.covered), lambda h: h.host) as uncovered_hosts,
    policy_mx as patterns
from domains
where effective_ok and policy_mode = 'enforce' and mx_uncovered > 0
order by rank, domain;
