-- What could not be seen, why, and how often did that leave the outcome open?
select
    code,
    count(*) as domains,
    count(*) filter (announced) as announced,
    count(*) filter (announced is null) as record_not_seen,
    count(*) filter (outcome = 'unknown') as outcome_unknown,
    max(attempts) as attempts
from (select unnest(failure_codes) as code, announced, outcome, attempts from domains)
group by code
order by domains desc, code;
