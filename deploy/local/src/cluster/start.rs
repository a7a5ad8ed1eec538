//! Brings a cluster up, part after part.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::time::timeout;

use super::{Cluster, ClusterError, ClusterOptions, FUNCTIONS, Home, PATIENCE, Ports, http_url, is_meant, redis_name};
use crate::doctor::{self, Missing, Tools};
use crate::parts::aws::{self, Deployment, Faults, Outputs};
use crate::parts::gateway::{self, Gateway, Jwt, random_secret};
use crate::parts::redis::{self, RedisServer};
use crate::parts::{Part, balancer, prometheus};
use crate::proxy::Proxy;
use crate::supervisor::{PartError, Supervisor};

/// All that a cluster is made from.
pub(crate) struct ClusterSpec {
    pub(crate) options: ClusterOptions,
    pub(crate) home: Home,
    pub(crate) ports: Ports,
    pub(crate) tools: Tools,
    /// The directory of the gateway and the functions, if they are wanted.
    pub(crate) binaries: Option<PathBuf>,
    pub(crate) jwt: Jwt,
    pub(crate) allowed_origins: Vec<String>,
}

impl ClusterSpec {
    /// Of a cluster for a test: its own ports, its own directory.
    pub(crate) async fn of_fixture(options: ClusterOptions) -> Result<Self, ClusterError> {
        if let Some(problem) = options.problem() {
            return Err(ClusterError::Options(problem));
        }
        let with_aws = options.aws;
        let prepare = move || -> Result<_, Missing> {
            let say = |text: &str| eprintln!("{text}");
            let tools = doctor::tools(with_aws, &say)?;
            let binaries = with_aws.then(|| doctor::build::binaries(doctor::build::Build::Test, &say)).transpose()?;
            Ok((tools, binaries))
        };
        let prepared = tokio::task::spawn_blocking(prepare).await;
        let (tools, binaries) = prepared.map_err(std::io::Error::other)??;
        let ports = Ports::leased(&options)?;
        Ok(Self {
            allowed_origins: vec![http_url(ports.balancer)],
            home: Home::of_fixture()?,
            ports,
            tools,
            binaries,
            jwt: Jwt::generate(),
            options,
        })
    }

    /// Returns the directory of a part that is of another build.
    fn build_of(&self, part: &str) -> Option<&Path> {
        let mut builds = self.options.other_builds.iter();
        builds.find(|(wanted, _)| is_meant(wanted, part)).map(|(_, directory)| directory.as_path())
    }

    /// Starts everything and waits until it is ready; calls `say` for each step. If something does not start, ends
    /// everything that did.
    pub(crate) async fn build(self, say: &dyn Fn(&str)) -> Result<Cluster, ClusterError> {
        raise_file_limit();
        let run = self.home.path();
        let mut build = Build {
            supervisor: Supervisor::new(run, self.options.restart_after)?,
            deployment: None,
            redis_proxies: Vec::new(),
            sqs_proxies: Vec::new(),
            spec: &self,
        };
        build.stores(say).await?;
        build.gateways(say).await?;
        build.fronts(say).await?;
        let Build { supervisor, deployment, redis_proxies, sqs_proxies, .. } = build;
        Ok(Cluster {
            supervisor,
            deployment,
            redis_proxies,
            sqs_proxies,
            has_balancer: self.options.balancer,
            has_web_app: self.options.web_root.is_some(),
            ports: self.ports,
            jwt: self.jwt,
            home: self.home,
        })
    }
}

/// A cluster that is being started.
struct Build<'a> {
    supervisor: Supervisor,
    deployment: Option<Arc<Deployment>>,
    redis_proxies: Vec<Proxy>,
    sqs_proxies: Vec<Proxy>,
    spec: &'a ClusterSpec,
}

impl Build<'_> {
    /// Starts Redis, and AWS with its deployment.
    async fn stores(&mut self, say: &dyn Fn(&str)) -> Result<(), ClusterError> {
        let ClusterSpec { options, ports, tools, home, .. } = self.spec;
        let mut names = Vec::new();
        for (index, (port, bus_port)) in ports.redis.iter().enumerate() {
            let name = redis_name(index + 1, options.redis_servers);
            let server = RedisServer {
                name: &name,
                program: &tools.redis_server,
                port: *port,
                bus_port: (options.redis_servers > 1).then_some(*bus_port),
                keeps_data: options.keeps_data,
            };
            let part = redis::part(home.path(), &server)?;
            names.push(self.add(part));
        }
        if let (Some(stand_in), Some(binaries)) = (&tools.stand_in, &self.spec.binaries) {
            let deployment = Arc::new(Deployment {
                python: stand_in.join("bin/python"),
                port: ports.aws,
                binaries: self.spec.build_of(FUNCTIONS).unwrap_or(binaries).to_owned(),
                redis_url: self.redis_url(),
                allowed_origins: self.spec.allowed_origins.clone(),
                visibility_seconds: options.visibility_seconds,
                retention_days: options.retention_days,
                log_filter: "info".to_owned(),
                fault: options.function_fault,
                feeds_functions: Mutex::new(options.feeds_functions),
                faults: Mutex::new(Faults::default()),
                outputs: Mutex::new(None),
            });
            let part = aws::part(home.path(), options.keeps_data, &deployment)?;
            names.push(self.add(part));
            self.deployment = Some(deployment);
        }
        self.start(&names, say).await?;
        if options.redis_servers > 1 {
            let servers: Vec<_> = ports.redis.iter().map(|(port, _)| *port).collect();
            timeout(PATIENCE, redis::join_cluster(&tools.redis_cli, &servers))
                .await
                .unwrap_or_else(|_| Err("the servers did not agree in time".to_owned()))
                .map_err(|how| PartError::Failed {
                    part: "the Redis Cluster".to_owned(),
                    how,
                    log: self.supervisor.log_tail(&names[0]),
                })?;
        }
        Ok(())
    }

    async fn gateways(&mut self, say: &dyn Fn(&str)) -> Result<(), ClusterError> {
        let deployed = self.deployment.as_ref().and_then(|it| it.outputs());
        let (Some(outputs), Some(binaries)) = (deployed, &self.spec.binaries) else {
            return Ok(());
        };
        let connection_secret = random_secret();
        let mut names = Vec::new();
        for index in 0..self.spec.options.nodes {
            if self.spec.options.proxies {
                let ports = &self.spec.ports;
                self.redis_proxies.push(Proxy::start(ports.redis[0].0).await?);
                self.sqs_proxies.push(Proxy::start(ports.aws).await?);
            }
            let build = self.spec.build_of(&gateway::name(index + 1)).unwrap_or(binaries);
            let program = build.join("rts-gateway");
            let part = self.gateway(index, program, &outputs, &connection_secret)?;
            names.push(self.add(part));
        }
        self.start(&names, say).await
    }

    fn gateway(
        &self,
        index: usize,
        program: PathBuf,
        outputs: &Outputs,
        connection_secret: &str,
    ) -> Result<Part, ClusterError> {
        let ClusterSpec { ports, jwt, home, .. } = self.spec;
        let redis_url = match self.redis_proxies.get(index) {
            Some(proxy) => redis::url(proxy.port()),
            None => self.redis_url(),
        };
        let gateway = Gateway {
            number: index + 1,
            program,
            port: ports.gateways[index],
            admin_port: ports.admins[index],
            redis_url,
            aws_endpoint: http_url(ports.aws),
            sqs_endpoint: self.sqs_proxies.get(index).map(|proxy| http_url(proxy.port())),
            outputs,
            jwt,
            connection_secret,
            allowed_origins: &self.spec.allowed_origins,
            retention_days: self.spec.options.retention_days,
            web_root: self.spec.options.web_root.as_deref(),
        };
        Ok(gateway::part(home.path(), &gateway)?)
    }

    /// Starts the balancer and Prometheus.
    async fn fronts(&mut self, say: &dyn Fn(&str)) -> Result<(), ClusterError> {
        let ClusterSpec { options, ports, tools, home, .. } = self.spec;
        let mut names = Vec::new();
        if options.balancer {
            let nginx = tools.nginx.clone();
            let part = balancer::part(home.path(), nginx, ports.balancer, &ports.gateways)?;
            names.push(self.add(part));
        }
        match &tools.prometheus {
            Some(program) if options.prometheus => {
                let program = program.clone();
                let scraped = prometheus::Scraped {
                    gateways: &ports.admins,
                    loadtest: ports.loadtest,
                    every_seconds: options.scrape_seconds,
                };
                let part = prometheus::part(home.path(), program, ports.prometheus, &scraped)?;
                names.push(self.add(part));
            }
            None if options.prometheus => {
                say("no Prometheus: it is not installed and could not be; the rest does not need it");
            }
            _ => {}
        }
        self.start(&names, say).await
    }

    async fn start(&self, names: &[String], say: &dyn Fn(&str)) -> Result<(), ClusterError> {
        if names.is_empty() {
            return Ok(());
        }
        say(&format!("starting {}", names.join(", ")));
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        Ok(self.supervisor.start(&names, PATIENCE).await?)
    }

    fn add(&mut self, mut part: Part) -> String {
        let name = part.name.clone();
        let variables = &self.spec.options.environment;
        for variable in variables.iter().filter(|it| is_meant(&it.part, &name)) {
            part.environment.insert(variable.name.clone(), variable.value.clone());
        }
        self.supervisor.add(part);
        name
    }

    fn redis_url(&self) -> String {
        let ports = &self.spec.ports.redis;
        let urls: Vec<_> = ports.iter().map(|(port, _)| redis::url(*port)).collect();
        urls.join(",")
    }
}

/// Raises the limit of open files as far as allowed, for this process and all that it starts: each client takes one.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // The present limit is enough for a few clients.
    let _ = setrlimit(Resource::Nofile, raised);
}
