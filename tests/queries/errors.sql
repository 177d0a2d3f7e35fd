-- What is broken, by stage and code, and in how many of the domains that announce MTA-STS? At the domain itself, or at one of
-- its mail hosts: the same code is reported by another name there.
select
    place,
    stage,
    code,
    severity,
    result_type,
    count(distinct seq) as domains,
    round(100.0 * count(distinct seq) / (select count(*) from domains where announced), 2) as percent
from findings
semi join (from domains where announced) using (seq)
where severity in ('violation', 'fatal')
group by all
order by domains desc, code, place;
