-- For how long do senders remember the usable policies? RFC 8461 3.2 speaks of weeks or more.
select
    case
        when policy_max_age < 86400 then '1: under a day'
        when policy_max_age < 604800 then '2: under a week'
        when policy_max_age < 2592000 then '3: under 30 days'
        when policy_max_age < 15552000 then '4: under 180 days'
        else '5: more'
    end as max_age,
    count(*) as policies,
    round(100.0 * count(*) / sum(count(*)) over (), 1) as percent,
    min(policy_max_age) as shortest,
    max(policy_max_age) as longest,
    count(*) filter (policy_mode = 'enforce') as enforce
from domains
where effective_ok
group by 1
order by 1;
