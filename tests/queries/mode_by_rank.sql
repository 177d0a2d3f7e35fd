-- Which modes do the usable policies have, the further down the list?
-- A policy counts where record and policy can both be used: policy_mode alone also speaks behind a broken record.
select
    case
        when rank <= 100 then '1 - 100'
        when rank <= 1000 then '101 - 1,000'
        when rank <= 10000 then '1,001 - 10,000'
        when rank <= 100000 then '10,001 - 100,000'
        when rank is not null then 'beyond'
        else 'unranked'
    end as ranks,
    count(*) as usable,
    count(*) filter (policy_mode = 'enforce') as enforce,
    count(*) filter (policy_mode = 'testing') as testing,
    count(*) filter (policy_mode = 'none') as "none",
    round(100.0 * count(*) filter (policy_mode = 'enforce') / count(*), 1) as enforce_percent
from domains
where effective_ok
group by ranks
order by min(rank) nulls last;
