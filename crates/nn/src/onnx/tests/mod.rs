mod hostile;
mod node_cases;
