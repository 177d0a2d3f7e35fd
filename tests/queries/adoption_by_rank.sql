-- How many domains announce MTA-STS, and with success, the further down the list?
-- What could not be seen is in no share: `announced` is null there, and count() passes nulls over.
select
    case
        when rank <= 100 then '1 - 100'
        when rank <= 1000 then '101 - 1,000'
        when rank <= 10000 then '1,001 - 10,000'
        when rank <= 100000 then '10,001 - 100,000'
        when rank is not null then 'beyond'
        else 'unranked'
    end as ranks,
    count(*) as domains,
    count(announced) as seen,
    count(*) filter (announced) as announced,
    round(100.0 * count(*) filter (announced) / nullif(count(announced), 0), 2) as percent,
    count(*) filter (effective_ok) as usable,
    count(*) filter (strict_ok) as to_the_letter
from domains
group by ranks
order by min(rank) nulls last;
