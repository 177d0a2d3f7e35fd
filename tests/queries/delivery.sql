-- Would a conforming sender deliver, report or refuse, by the mode of the policy; and until when does it refuse at the latest?
select
    policy_mode as mode,
    coalesce(delivery_verdict, 'nothing to deliver') as verdict,
    count(*) as domains,
    count(*) filter (delivery_dane = 'match') as by_dane,
    coalesce(sum(delivery_usable), 0) as usable_hosts,
    coalesce(sum(delivery_refused), 0) as refused_hosts,
    coalesce(sum(delivery_unseen), 0) as unseen_hosts,
    max(delivery_refused_until)::date as refused_until
from domains
where effective_ok and policy_mode <> 'none'
group by all
order by mode, verdict;
