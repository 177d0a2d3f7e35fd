-- The best known domains that announce MTA-STS and break it: what is wrong with each?
select
    d.rank,
    d.domain,
    d.outcome,
    list(distinct f.code order by f.code) as codes,
    list(distinct f.rfc order by f.rfc) as clauses,
    count(*) as findings
from domains as d
join findings as f using (seq)
where d.announced and f.severity = 'fatal'
group by d.rank, d.domain, d.outcome
order by d.rank, d.domain
limit 50;
