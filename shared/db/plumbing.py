"""The tables that every service has, declared once; their SQL stands in the module that owns each."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from shared.db.policies import caller_only, forced, grant, setting, worker_only

ALLOWED_PLUMBING = {
    "alembic_version": "the schema's own version: no row of a person; the api reads it to know whether it is ready",
    "outbox": "facts of all scopes on their way out: logins insert, the worker alone reads and deletes",
    "outbox_dead": "facts that could not be sent: the worker alone",
    "inbox": "ids of facts heard: the worker alone",
    "parked_fact": "facts that could not be applied: the worker alone",
    "heard_position": "places in topics: the worker alone",
    "republished_id": "ids seen while a speaker says all of its state again: the worker alone",
    "republished_mark": "where such a round has begun and ended: the worker alone",
    "due": "what falls due when, for all scopes: ids and moments alone; the api adds and withdraws, the worker does",
    "idempotency_request": "first answers, sealed: reached by their own caller alone, pruned by the worker",
    "access_log": "who saw whom: written by every door, read through `access_seen` alone (ADR 0018)",
}
"""Tables not filtered by division, each with its reason. All but `alembic_version` have a forced policy of their own.
"""

MOMENT = sa.DateTime(timezone=True)
MACHINE_NOW = sa.text("clock_timestamp()")


@dataclass(frozen=True, slots=True)
class Plumbing:
    """The declared tables, for those who want them as objects."""

    outbox: sa.Table
    outbox_dead: sa.Table
    inbox: sa.Table
    parked_fact: sa.Table
    heard_position: sa.Table
    republished_id: sa.Table
    republished_mark: sa.Table
    due: sa.Table
    idempotency_request: sa.Table
    access_log: sa.Table
    job: sa.Table


def plumbing_tables(metadata: sa.MetaData) -> Plumbing:
    """Declare all of them on a service's metadata; called by its `tables.py`."""
    return Plumbing(
        _outbox(metadata),
        _outbox_dead(metadata),
        _inbox(metadata),
        _parked_fact(metadata),
        _heard_position(metadata),
        *_republished(metadata),
        _due(metadata),
        _idempotency_request(metadata),
        _access_log(metadata),
        _job(metadata),
    )


def _number() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True, comment="序号")


def _fact_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("event_id", pg.UUID, nullable=False, comment="事件编号"),
        sa.Column("topic", sa.Text, nullable=False, comment="主题"),
        sa.Column("key", sa.Text, nullable=False, comment="键（所属对象编号）"),
        sa.Column("partition", sa.Integer, comment="指定分区"),
        sa.Column("type", sa.Text, nullable=False, comment="事件类型"),
        sa.Column("payload", pg.BYTEA, nullable=False, comment="内容"),
        sa.Column("version", sa.BigInteger, comment="对象版本"),
        sa.Column("epoch", sa.BigInteger, comment="重新公告的轮次"),
        sa.Column("said_at", MOMENT, nullable=False, comment="公告时刻（业务时间）"),
        sa.Column("traceparent", sa.Text, comment="链路追踪"),
        sa.Column("written_at", MOMENT, nullable=False, server_default=MACHINE_NOW, comment="写入时刻（机器时间）"),
    ]


def _outbox(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "outbox",
        metadata,
        _number(),
        *_fact_columns(),
        comment="发件箱",
        postgresql_with={"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 1000},
    )


def _outbox_dead(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "outbox_dead",
        metadata,
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False, comment="原序号"),
        *_fact_columns(),
        sa.Column("error", sa.Text, nullable=False, comment="失败原因"),
        sa.Column("died_at", MOMENT, nullable=False, server_default=MACHINE_NOW, comment="失败时刻（机器时间）"),
        comment="发件箱死信",
    )


def _inbox(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "inbox",
        metadata,
        sa.Column("consumer", sa.Text, primary_key=True, comment="消费者"),
        sa.Column("event_id", pg.UUID, primary_key=True, comment="事件编号"),
        sa.Column("heard_at", MOMENT, nullable=False, server_default=MACHINE_NOW, comment="听到的时刻（机器时间）"),
        sa.Index("inbox_heard_at", "heard_at", postgresql_using="brin"),
        comment="收件箱（已听事件）",
    )


def _parked_fact(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "parked_fact",
        metadata,
        _number(),
        sa.Column("consumer", sa.Text, nullable=False, comment="消费者"),
        sa.Column("event_id", pg.UUID, nullable=False, comment="事件编号"),
        sa.Column("topic", sa.Text, nullable=False, comment="主题"),
        sa.Column("partition", sa.Integer, nullable=False, comment="分区"),
        sa.Column("position", sa.BigInteger, nullable=False, comment="位移"),
        sa.Column("key", sa.Text, comment="键"),
        sa.Column("type", sa.Text, comment="事件类型"),
        sa.Column("headers", pg.JSONB, nullable=False, server_default=sa.text("'[]'"), comment="消息头"),
        sa.Column("payload", pg.BYTEA, comment="原文"),
        sa.Column("reason", sa.Text, nullable=False, comment="搁置原因代码"),
        sa.Column("detail", sa.Text, nullable=False, server_default="", comment="说明（不含个人信息）"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("1"), comment="已尝试次数"),
        sa.Column("parked_at", MOMENT, nullable=False, server_default=MACHINE_NOW, comment="搁置时刻（机器时间）"),
        sa.Column("retry_at", MOMENT, comment="下次重试（机器时间）"),
        sa.UniqueConstraint("consumer", "event_id", name="parked_fact_event"),
        sa.Index("parked_fact_key", "consumer", "topic", "key"),
        comment="搁置事件",
    )


def _heard_position(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "heard_position",
        metadata,
        sa.Column("consumer", sa.Text, primary_key=True, comment="消费者"),
        sa.Column("topic", sa.Text, primary_key=True, comment="主题"),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False, comment="分区"),
        sa.Column("next_position", sa.BigInteger, nullable=False, comment="下一位移"),
        sa.Column("cluster", sa.Text, nullable=False, comment="位移所属的集群"),
        sa.Column("moved_at", MOMENT, nullable=False, server_default=MACHINE_NOW, comment="推进时刻（机器时间）"),
        comment="已听位置",
    )


def _republished(metadata: sa.MetaData) -> tuple[sa.Table, sa.Table]:
    def place() -> list[sa.Column[object]]:
        return [
            sa.Column("consumer", sa.Text, primary_key=True, comment="消费者"),
            sa.Column("topic", sa.Text, primary_key=True, comment="主题"),
            sa.Column("epoch", sa.BigInteger, primary_key=True, autoincrement=False, comment="重新公告的轮次"),
        ]

    named = sa.Table(
        "republished_id",
        metadata,
        *place(),
        sa.Column("id", sa.Text, primary_key=True, comment="对象编号"),
        comment="重新公告过的对象",
    )
    marks = sa.Table(
        "republished_mark",
        metadata,
        *place(),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False, comment="分区"),
        sa.Column("ended", sa.Boolean, nullable=False, server_default=sa.false(), comment="已听到结束标记"),
        sa.Column("done", sa.Boolean, nullable=False, server_default=sa.false(), comment="已收尾"),
        comment="重新公告的起止标记",
    )
    return named, marks


def _due(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "due",
        metadata,
        sa.Column("verb", sa.Text, primary_key=True, comment="到期事项"),
        sa.Column("noun", sa.Text, primary_key=True, comment="对象编号"),
        sa.Column("due_at", MOMENT, nullable=False, comment="到期时刻（业务时间）"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0"), comment="已尝试次数"),
        sa.Column("retry_at", MOMENT, comment="下次重试（机器时间）"),
        sa.Column("error", sa.Text, comment="上次失败原因"),
        sa.Index("due_when", "verb", "due_at"),
        comment="到期事项",
    )


def _idempotency_request(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "idempotency_request",
        metadata,
        sa.Column("caller", sa.Text, primary_key=True, comment="调用者"),
        sa.Column("key", sa.Text, primary_key=True, comment="幂等键"),
        sa.Column("request_hash", pg.BYTEA, nullable=False, comment="请求摘要"),
        sa.Column("answer", pg.BYTEA, comment="首次答复（密封）"),
        sa.Column("expires_at", MOMENT, nullable=False, comment="失效时刻（机器时间）"),
        sa.Index("idempotency_request_expires_at", "expires_at"),
        comment="幂等请求",
    )


def _access_log(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "access_log",
        metadata,
        _number(),
        sa.Column("logged_at", MOMENT, nullable=False, server_default=MACHINE_NOW, comment="时刻（机器时间）"),
        sa.Column("caller", sa.Text, nullable=False, comment="查看人"),
        sa.Column("roles", pg.ARRAY(sa.Text), nullable=False, comment="角色"),
        sa.Column("divisions", pg.ARRAY(sa.Text), nullable=False, comment="管辖区划"),
        sa.Column("purpose", sa.Text, nullable=False, comment="事由"),
        sa.Column("noun", sa.Text, nullable=False, comment="对象种类"),
        sa.Column("action", sa.Text, nullable=False, comment="查看方式"),
        sa.Column("ids", pg.ARRAY(sa.Text), nullable=False, comment="所见对象编号"),
        sa.Column("traceparent", sa.Text, comment="链路追踪"),
        sa.Index("access_log_caller", "caller", "logged_at"),
        sa.Index("access_log_ids", "ids", postgresql_using="gin"),
        comment="访问日志",
    )


def _job(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "job",
        metadata,
        sa.Column("id", pg.UUID, primary_key=True, comment="任务编号"),
        sa.Column("kind", sa.Text, nullable=False, comment="任务种类"),
        sa.Column("state", sa.Text, nullable=False, server_default="queued", comment="状态"),
        sa.Column("sub", sa.Text, nullable=False, comment="提交人"),
        sa.Column("name", sa.Text, nullable=False, comment="提交人姓名"),
        sa.Column("roles", pg.ARRAY(sa.Text), nullable=False, comment="提交人角色"),
        sa.Column("divisions", pg.ARRAY(sa.Text), nullable=False, comment="提交人管辖区划"),
        sa.Column("scope", pg.INT8MULTIRANGE, nullable=False, comment="管辖范围"),
        sa.Column("parameters", pg.JSONB, nullable=False, server_default=sa.text("'{}'"), comment="参数"),
        sa.Column("phase", sa.Text, nullable=False, server_default="", comment="阶段"),
        sa.Column("cursor", pg.JSONB, comment="断点"),
        sa.Column("done", sa.BigInteger, nullable=False, server_default=sa.text("0"), comment="已完成数"),
        sa.Column("total", sa.BigInteger, comment="总数"),
        sa.Column("result", pg.JSONB, comment="结果"),
        sa.Column("problem", pg.JSONB, comment="失败原因"),
        sa.Column("cancel_asked", sa.Boolean, nullable=False, server_default=sa.false(), comment="已要求取消"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0"), comment="无进展的尝试次数"),
        sa.Column("lease", pg.UUID, comment="租约编号"),
        sa.Column("leased_until", MOMENT, comment="租约到期（机器时间）"),
        sa.Column("not_before", MOMENT, nullable=False, server_default=MACHINE_NOW, comment="最早开始（机器时间）"),
        sa.Column("traceparent", sa.Text, comment="链路追踪"),
        sa.Column("submitted_at", MOMENT, nullable=False, comment="提交时刻（业务时间）"),
        sa.Column("created_at", MOMENT, nullable=False, server_default=MACHINE_NOW, comment="写入时刻（机器时间）"),
        sa.Column("ended_at", MOMENT, comment="结束时刻（机器时间）"),
        sa.CheckConstraint("state in ('queued', 'running', 'done', 'failed', 'cancelled')", name="job_state"),
        sa.CheckConstraint("not isempty(scope)", name="job_scope"),
        sa.Index("job_open", "kind", "created_at", postgresql_where=sa.text("state in ('queued', 'running')")),
        comment="任务",
    )


MACHINE_TABLES = ("outbox_dead", "inbox", "parked_fact", "heard_position", "republished_id", "republished_mark")
ALL_RIGHTS = "select, insert, update, delete"


def plumbing_access(service: str) -> list[str]:
    """Policies and grants of all plumbing tables; run by the first migration of each service."""
    return [
        *_facts_access(service),
        *caller_only("idempotency_request", service),
        *grant("idempotency_request", service, api="select, insert, update", worker="select, delete"),
        *forced("access_log"),
        f"create policy own_name on access_log for insert with check (caller = {setting('caller', 'text')})",
        *grant("access_log", service, api="insert", worker="insert"),
        *forced("job"),
        f"create policy scope on job using (scope <@ {setting('scope', 'int8multirange')})",
        *grant("job", service, api=f"select, insert, update ({CANCELLING})", worker="select, update, delete"),
        *grant("alembic_version", service, api="select", worker="select"),
    ]


CANCELLING = "state, cancel_asked, ended_at"


def access_report(service: str) -> list[str]:
    """The auditor's only way into the access log: rows of callers whose whole scope lies in the asker's (ADR 0018).

    No login may select from the table. A caller without divisions, or of the whole country, is seen by the full scope
    alone.
    """
    return [
        f"create policy audited on access_log for select to {service}_owner using (true)",
        ACCESS_SEEN,
        "revoke all on function access_seen from public",
        f"grant execute on function access_seen to {service}_api",
    ]


# Plans are made for the values given: a filter that was left out must not keep the others from their index.
ACCESS_SEEN = """create function access_seen(before bigint, most integer, by_whom text, whom text,
    from_moment timestamptz, to_moment timestamptz) returns setof access_log language plpgsql stable security definer
set search_path = public, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
    asked constant int8multirange := nullif(current_setting('tuopin.scope', true), '')::int8multirange;
begin
    if asked is null or isempty(asked) then
        return;
    end if;
    return query select l.* from access_log l
        where (before is null or l.id < before) and (by_whom is null or l.caller = by_whom)
            and (whom is null or l.ids @> array[whom])
            and (from_moment is null or l.logged_at >= from_moment) and (to_moment is null or l.logged_at < to_moment)
            and (int8range(0, 1000000000000) <@ asked or (cardinality(l.divisions) > 0 and not exists (
                select from unnest(l.divisions) text, lateral (select text::bigint as code) d
                where not int8range(d.code, d.code + case when d.code % 10000000000 = 0 then 10000000000
                    when d.code % 100000000 = 0 then 100000000 when d.code % 1000000 = 0 then 1000000
                    when d.code % 1000 = 0 then 1000 else 1 end) <@ asked)))
        order by l.id desc limit most;
end $$"""


def _facts_access(service: str) -> list[str]:
    return [
        *worker_only("outbox", service, api_may_insert=True),
        *grant("outbox", service, api="insert", worker=ALL_RIGHTS),
        *(statement for table in MACHINE_TABLES for statement in worker_only(table, service)),
        *(statement for table in MACHINE_TABLES for statement in grant(table, service, worker=ALL_RIGHTS)),
        *forced("due"),
        f"create policy logins on due to {service}_api, {service}_worker using (true)",
        *grant("due", service, api="select (verb, noun, due_at), insert, update, delete", worker=ALL_RIGHTS),
    ]
