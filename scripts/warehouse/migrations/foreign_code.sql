-- Code on the tables that are taken over: none of it is ours.
with expressions as (
    select
        coalesce(adrelid, conrelid, indrelid) as taken,
        pg_describe_object(depend.classid, depend.objid, 0) as what
    from pg_depend as depend
    left join pg_attrdef
        on depend.classid = 'pg_attrdef'::regclass and pg_attrdef.oid = depend.objid
    left join pg_constraint
        on depend.classid = 'pg_constraint'::regclass and pg_constraint.oid = depend.objid
    left join pg_index
        on depend.classid = 'pg_class'::regclass and pg_index.indexrelid = depend.objid
    inner join pg_proc on pg_proc.oid = depend.refobjid
    where depend.refclassid = 'pg_proc'::regclass
        and pg_proc.pronamespace <> 'pg_catalog'::regnamespace
),

code as (
    select tgrelid as taken, pg_describe_object('pg_trigger'::regclass, oid, 0) as what
    from pg_trigger where not tgisinternal
    union all
    select ev_class, pg_describe_object('pg_rewrite'::regclass, oid, 0)
    from pg_rewrite where rulename <> '_RETURN'
    union all
    select polrelid, pg_describe_object('pg_policy'::regclass, oid, 0) from pg_policy
    union all
    select taken, what from expressions
)

select what from code where taken = any(%(taken)s)
union all
select pg_describe_object('pg_proc'::regclass, oid, 0) from pg_proc
where pronamespace in ('ops'::regnamespace, 'raw'::regnamespace)
order by what
