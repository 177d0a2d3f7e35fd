-- The contradictions: the record is valid, and behind it stands no policy that anybody can use. The classic is a 404.
select
    policy_stage as stage,
    policy_code as code,
    policy_http_status as http_status,
    count(*) as domains,
    count(policy_delegated_to) as delegated,
    min_by(domain, rank) as first_domain
from domains
where record_effective_ok and policy_status = 'unusable'
group by stage, code, http_status
order by domains desc, code, http_status nulls last;
