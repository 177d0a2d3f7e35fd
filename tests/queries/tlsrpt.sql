-- Who announces MTA-STS, and wants to hear of its failures (RFC 8460)?
select
    coalesce(policy_mode, 'no policy') as mode,
    count(*) as domains,
    count(*) filter (tlsrpt_status = 'usable') as usable,
    count(*) filter (tlsrpt_status = 'unusable') as unusable,
    count(*) filter (tlsrpt_status = 'absent') as absent,
    count(*) filter (tlsrpt_status = 'failed') as not_seen,
    count(*) filter (tlsrpt_status is null) as not_asked,
    coalesce(sum(len(tlsrpt_rua)), 0) as addresses
from domains
where announced
group by mode
order by mode;
