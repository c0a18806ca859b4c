// Package maintenance answers the MaintenanceService of a service, and does by itself what operators
// do with the data file of a running service.
package maintenance
