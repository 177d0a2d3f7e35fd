-- Which policies are shared by the most domains, letter for letter?
select
    p.body_sha256,
    any_value(p.mode) as mode,
    any_value(p.max_age) as max_age,
    any_value(p.mx) as mx,
    any_value(octet_length(p.body)) as bytes,
    count(*) as domains,
    count(*) filter (d.effective_ok) as usable
from policies as p
join domains as d on d.policy_body_sha256 = p.body_sha256
group by p.body_sha256
order by domains desc, p.body_sha256
limit 50;
