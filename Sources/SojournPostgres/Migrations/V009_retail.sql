-- SPDX-License-Identifier: Apache-2.0
-- Retail (C1): products and orders beside the users of V001. Money is a whole number of the currency's smallest unit.

-- The version of what a cache serves of a row: a copy of a lower one is stale. The trigger below raises it, whoever changes the row.
ALTER TABLE sojourn.users ADD COLUMN version bigint NOT NULL DEFAULT 1;

CREATE TABLE sojourn.products (
    product_id     text        NOT NULL PRIMARY KEY DEFAULT gen_random_uuid()::text
        CHECK (char_length(product_id) BETWEEN 1 AND 50),
    name           text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    category       text        CHECK (char_length(category) BETWEEN 1 AND 100),
    brand          text        CHECK (char_length(brand) BETWEEN 1 AND 100),
    price          bigint      NOT NULL CHECK (price BETWEEN 0 AND 1000000000000),
    -- The price before a discount; NULL where there never was another.
    org_price      bigint      CHECK (org_price BETWEEN 0 AND 1000000000000),
    discount_rate  integer     NOT NULL DEFAULT 0 CHECK (discount_rate BETWEEN 0 AND 100),
    stock          bigint      NOT NULL DEFAULT 0 CHECK (stock BETWEEN 0 AND 1000000000000),
    last_cached_at timestamptz,
    created_at     timestamptz NOT NULL DEFAULT sojourn.clock(),
    version        bigint      NOT NULL DEFAULT 1
);

ALTER TABLE sojourn.users ALTER COLUMN user_id SET DEFAULT gen_random_uuid()::text;

-- An order stays when its user is erased or its product deleted, with what was copied from them when it was placed.
CREATE TABLE sojourn.orders (
    order_id        uuid        NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id         text        REFERENCES sojourn.users (user_id) ON DELETE SET NULL,
    product_id      text        REFERENCES sojourn.products (product_id) ON DELETE SET NULL,
    quantity        integer     NOT NULL DEFAULT 1 CHECK (quantity BETWEEN 1 AND 1000000),
    total_amount    bigint      NOT NULL CHECK (total_amount BETWEEN 0 AND 1000000000000),
    shipping_cost   bigint      NOT NULL DEFAULT 0 CHECK (shipping_cost BETWEEN 0 AND 1000000000000),
    discount_amount bigint      NOT NULL DEFAULT 0 CHECK (discount_amount BETWEEN 0 AND 1000000000000),
    payment_method  text        CHECK (char_length(payment_method) BETWEEN 1 AND 30),
    status          text        NOT NULL DEFAULT 'pending' CHECK (char_length(status) BETWEEN 1 AND 30),
    category        text,
    user_region     text,
    user_gender     text,
    user_age_group  text,
    created_at      timestamptz NOT NULL DEFAULT sojourn.clock()
);

-- A user's orders by time, and what an erasure detaches; what the deletion of a product detaches.
CREATE INDEX orders_by_user ON sojourn.orders (user_id, created_at, order_id);
CREATE INDEX orders_by_product ON sojourn.orders (product_id);

-- The order in which rows are cached: those that never were, then those cached longest ago. Stubs are not.
CREATE INDEX users_to_cache ON sojourn.users (last_cached_at NULLS FIRST, user_id) WHERE name IS NOT NULL;
CREATE INDEX products_to_cache ON sojourn.products (last_cached_at NULLS FIRST, product_id);

CREATE FUNCTION sojourn.raise_version() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$ BEGIN NEW.version := OLD.version + 1; RETURN NEW; END $$;

-- Not for `last_cached_at` or an epoch: of those a cache serves nothing.
CREATE TRIGGER raise_version BEFORE UPDATE OF user_id, name, gender, age, age_group, region, join_date ON sojourn.users
    FOR EACH ROW
    WHEN ((OLD.user_id, OLD.name, OLD.gender, OLD.age, OLD.age_group, OLD.region, OLD.join_date)
        IS DISTINCT FROM (NEW.user_id, NEW.name, NEW.gender, NEW.age, NEW.age_group, NEW.region, NEW.join_date))
    EXECUTE FUNCTION sojourn.raise_version();

CREATE TRIGGER raise_version BEFORE UPDATE OF product_id, name, category, brand, price, org_price, discount_rate, stock
    ON sojourn.products
    FOR EACH ROW
    WHEN ((OLD.product_id, OLD.name, OLD.category, OLD.brand, OLD.price, OLD.org_price, OLD.discount_rate, OLD.stock)
        IS DISTINCT FROM
        (NEW.product_id, NEW.name, NEW.category, NEW.brand, NEW.price, NEW.org_price, NEW.discount_rate, NEW.stock))
    EXECUTE FUNCTION sojourn.raise_version();

-- Plain inserts of orders that leave the amount out: computes it, and copies what an order keeps of its user and product. Our own
-- inserts bring all of it.
CREATE FUNCTION sojourn.fill_order() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    SELECT p.category, p.price * NEW.quantity - NEW.discount_amount + NEW.shipping_cost
    INTO NEW.category, NEW.total_amount
    FROM sojourn.products AS p WHERE p.product_id = NEW.product_id;
    SELECT u.region, u.gender, u.age_group
    INTO NEW.user_region, NEW.user_gender, NEW.user_age_group
    FROM sojourn.users AS u WHERE u.user_id = NEW.user_id;
    RETURN NEW;
END $$;

CREATE TRIGGER fill_order BEFORE INSERT ON sojourn.orders
    FOR EACH ROW WHEN (NEW.total_amount IS NULL) EXECUTE FUNCTION sojourn.fill_order();

REVOKE ALL ON FUNCTION sojourn.raise_version(), sojourn.fill_order() FROM PUBLIC;

-- Applications read users, products and orders, and place orders; what there is to buy, and who buys, is the tables' owner's.
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'sojourn_app') THEN
        GRANT SELECT ON sojourn.products, sojourn.orders TO sojourn_app;
        GRANT INSERT (order_id, user_id, product_id, quantity, total_amount, shipping_cost, discount_amount, payment_method,
            status, created_at) ON sojourn.orders TO sojourn_app;
    END IF;
END $$;
