-- What is wrong with mail hosts, at how many addresses, and how many domains that announce MTA-STS depend on them?
select
    coalesce(code, 'usable') as code,
    status,
    count(distinct (host, address)) as addresses,
    count(distinct host) as hosts,
    count(distinct seq) as domains
from hosts
left join (
    select seq, unnest(mx_hosts).host as host from domains where announced
) using (host)
group by all
order by addresses desc, code;
