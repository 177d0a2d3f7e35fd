-- Under which public suffixes is MTA-STS announced?
select
    public_suffix as suffix,
    count(*) as domains,
    count(announced) as seen,
    count(*) filter (announced) as announced,
    round(100.0 * count(*) filter (announced) / nullif(count(announced), 0), 2) as percent,
    count(*) filter (effective_ok) as usable
from domains
group by suffix
order by announced desc, suffix nulls last;
