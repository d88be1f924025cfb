//! The services of a shop, each a part of this program with data of its own: `catalogue` keeps users and products, `orders` asks
//! them and carries orders through the steps of a `saga`, `reservations` takes its commands, `notifications` tells the customer.

pub(crate) mod catalogue;
mod notifications;
mod orders;
mod peer;
pub(crate) mod product;
mod reservations;
mod saga;
pub(crate) mod seed;
pub(crate) mod user;

use std::sync::Arc;
use std::time::Duration;

use hyper::Response;
use hyper::http::request::Parts;
use serde_json::Value;
use service::app::{Context, Server};
use service::calls::origin::Origin;
use service::message::body::Body;
use service::message::incoming::Incoming;
use service::message::problem::Problem;
use service::telemetry::metrics::Metrics;

use crate::config::{Config, Role};
use crate::database::Database;
use crate::database::migration::Migration;
use crate::store::Store;
use catalogue::Catalogue;
use notifications::Notifications;
use orders::{Orders, Peers};
use peer::Peer;
use reservations::{INVENTORY, PAYMENTS, Reservations};

/// The highest number of an order, a product or an amount: what JSON of any program holds.
pub(crate) const MOST: u64 = 1 << 53;
/// What every key of the events begins with.
const EVENTS: &str = "{shop}";
/// What the address of a service is.
const WHERE: &str = "http://HOST or http://HOST:PORT without a path, such as http://user-service:5001";

service::settings! {
    /// What a service of the shop knows of the others.
    #[derive(Debug, Clone)]
    pub struct Settings {
        /// orders: where the users are
        users: Origin = parse("USER_SERVICE_URL", "http://user-service:5001", WHERE, Origin::parse);
        /// orders: where the products are
        products: Origin = parse("PRODUCT_SERVICE_URL", "http://product-service:5002", WHERE, Origin::parse);
        /// orders: who is paid
        payments: Origin = parse("PAYMENT_SERVICE_URL", "http://payment-service:5005", WHERE, Origin::parse);
        /// orders: who has what is in stock
        inventory: Origin = parse("INVENTORY_SERVICE_URL", "http://inventory-service:5006", WHERE, Origin::parse);
        /// orders: how long one tries to be confirmed, before what is reserved for it is released
        patience: Duration = seconds("ORDER_TIMEOUT_SECONDS", "30", Duration::from_millis(100));
        /// payments: the most that one may be; further ones are refused
        most: u64 = number("PAYMENT_MAX", "1000000000000", 1, MOST);
    }
}

/// What is asked of a service of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of what it has, or of which there is to be one more.
    All,
    /// One of them.
    One,
    /// It is to reserve.
    Reserve,
    /// It is to release.
    Release,
}

/// The service of the shop that this process is.
pub(crate) enum Shop {
    Catalogue(Catalogue),
    Orders(Arc<Orders>),
    Reservations(Reservations),
    Notifications(Notifications),
}

impl Shop {
    /// The service of a process with this role; `None` where it is none.
    pub(crate) fn start(config: &Config, metrics: &mut Metrics) -> Option<Self> {
        let store = |metrics: &mut Metrics| {
            let reachable = metrics.add("store_reachable", "1 while the store is connected and answers");
            config.store.clone().map(|settings| Store::start(settings.address, settings.patience, reachable))
        };
        if config.role == Role::Notifications {
            return store(metrics).map(Notifications::new).map(Self::Notifications);
        }
        let settings = config.database.clone()?;
        let migrations = config.role.migrations()?;
        let reachable = metrics.add("database_reachable", "1 while the database is connected and answers");
        let database = Database::new(settings, migrations, reachable);
        // What is wrong with the seed was said at start.
        let checked = config.role.checked()?;
        let seed = config.seed.iter().filter_map(|value| checked(value.clone()).ok()).collect();
        Some(match config.role {
            Role::Orders => {
                let Settings { users, products, payments, inventory, patience, .. } = config.shop.clone();
                let peers = Peers {
                    users: Peer::new("users", users),
                    products: Peer::new("products", products),
                    payments: Peer::new("payments", payments),
                    inventory: Peer::new("inventory", inventory),
                };
                Self::Orders(Arc::new(Orders::new(database, peers, store(metrics), patience)))
            }
            Role::Payments => Self::Reservations(Reservations::new(&PAYMENTS, database, seed, config.shop.most)),
            Role::Inventory => Self::Reservations(Reservations::new(&INVENTORY, database, seed, MOST)),
            role => Self::Catalogue(Catalogue::new(role.kind()?, database, seed)),
        })
    }

    /// Works that no request asks for, until it is dropped. Nothing of it has to be done to its end.
    pub(crate) async fn work(&self) {
        match self {
            Self::Catalogue(catalogue) => catalogue.work().await,
            Self::Orders(orders) => Arc::clone(orders).work().await,
            Self::Reservations(reservations) => reservations.work().await,
            Self::Notifications(notifications) => notifications.work().await,
        }
    }

    /// Answers a request whose path holds `id`.
    pub(crate) async fn answer(
        &self,
        asked: Asked,
        id: &str,
        head: &Parts,
        body: Incoming,
        server: &Server,
        context: &Context,
    ) -> Result<Response<Body>, Problem> {
        match (self, asked) {
            (Self::Catalogue(catalogue), Asked::One) => catalogue.answer_one(id, server).await,
            (Self::Catalogue(catalogue), _) => catalogue.answer_all(head, body, server).await,
            (Self::Orders(orders), Asked::One) => orders.show(id, server).await,
            (Self::Orders(orders), _) if orders::places(head) => orders.place(head, body, server, context).await,
            (Self::Orders(orders), _) => orders.counts(server).await,
            (Self::Reservations(service), Asked::Reserve) => {
                service.reserve(&head.headers, body, server, context).await
            }
            (Self::Reservations(service), Asked::Release) => {
                service.release(&head.headers, body, server, context).await
            }
            (Self::Reservations(service), _) => service.totals(server).await,
            (Self::Notifications(notifications), _) => notifications.counts(server).await,
        }
    }
}

impl Role {
    /// What makes the schema of a service with a database.
    fn migrations(self) -> Option<&'static [Migration]> {
        match self {
            Self::Api | Self::Worker | Self::Notifications => None,
            Self::Users | Self::Products => self.kind().map(|kind| kind.migrations),
            Self::Orders => Some(orders::MIGRATIONS),
            Self::Payments => Some(PAYMENTS.migrations),
            Self::Inventory => Some(INVENTORY.migrations),
        }
    }

    /// What reads that of which such a service has some from the start.
    pub(crate) fn checked(self) -> Option<fn(Value) -> Result<String, String>> {
        match self {
            Self::Api | Self::Worker | Self::Notifications => None,
            Self::Users | Self::Products => self.kind().map(|kind| kind.checked),
            Self::Orders => Some(|_| Err("orders are placed, none is there from the start".to_owned())),
            Self::Payments => Some(PAYMENTS.stocked),
            Self::Inventory => Some(INVENTORY.stocked),
        }
    }
}
