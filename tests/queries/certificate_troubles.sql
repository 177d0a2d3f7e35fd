-- Why can policy hosts not be authenticated, and is it the domains' own doing or that of whom they delegated to?
select
    policy_tls_status as cause,
    count(*) as domains,
    count(policy_delegated_to) as delegated,
    count(distinct policy_cert_sha256) as certificates,
    -- No sender may use these, but they are there to be seen.
    count(*) filter (policy_observed_mode = 'enforce') as would_enforce
from domains
where policy_tls_status like 'cert.%'
group by cause
order by domains desc, cause;
